//! Programming languages, by one canonical name each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A programming language that occurs in candidates.
///
/// The first seven are extracted with a syntax check; the others are carried through records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names speak for themselves")]
pub enum Language {
    Python,
    Cpp,
    Java,
    Go,
    Rust,
    JavaScript,
    TypeScript,
    C,
    CSharp,
    Kotlin,
    Php,
    Ruby,
    Scala,
    Swift,
}

impl Language {
    /// Every language, in the order of the enum.
    pub const ALL: [Language; 14] = [
        Language::Python,
        Language::Cpp,
        Language::Java,
        Language::Go,
        Language::Rust,
        Language::JavaScript,
        Language::TypeScript,
        Language::C,
        Language::CSharp,
        Language::Kotlin,
        Language::Php,
        Language::Ruby,
        Language::Scala,
        Language::Swift,
    ];

    /// The canonical name, as written in records.
    pub fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::Cpp => "cpp",
            Language::Java => "java",
            Language::Go => "go",
            Language::Rust => "rust",
            Language::JavaScript => "javascript",
            Language::TypeScript => "typescript",
            Language::C => "c",
            Language::CSharp => "csharp",
            Language::Kotlin => "kotlin",
            Language::Php => "php",
            Language::Ruby => "ruby",
            Language::Scala => "scala",
            Language::Swift => "swift",
        }
    }

    /// The language that a tag of a Markdown fence or a public dataset means, in any case:
    /// `py`, `Python3`, `c++`, `js`, `golang`, `C#`. `None` for a tag that names none of ours.
    pub fn from_tag(tag: &str) -> Option<Language> {
        Some(match tag.to_ascii_lowercase().as_str() {
            "python" | "py" | "python3" | "py3" | "python2" | "pypy" | "pypy3" => Language::Python,
            "cpp" | "c++" | "cxx" | "cc" | "hpp" | "c++11" | "c++14" | "c++17" | "c++20"
            | "cpp14" | "cpp17" | "cpp20" => Language::Cpp,
            "java" => Language::Java,
            "go" | "golang" => Language::Go,
            "rust" | "rs" => Language::Rust,
            "javascript" | "js" | "node" | "nodejs" | "jsx" | "mjs" => Language::JavaScript,
            "typescript" | "ts" | "tsx" => Language::TypeScript,
            "c" => Language::C,
            "csharp" | "c#" | "cs" => Language::CSharp,
            "kotlin" | "kt" => Language::Kotlin,
            "php" => Language::Php,
            "ruby" | "rb" => Language::Ruby,
            "scala" => Language::Scala,
            "swift" => Language::Swift,
            _ => return None,
        })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(tag: &str) -> Result<Language, UnknownLanguage> {
        Language::from_tag(tag).ok_or_else(|| UnknownLanguage(tag.to_owned()))
    }
}

/// A language name that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("unknown language {0:?}")]
pub struct UnknownLanguage(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for language in Language::ALL {
            assert_eq!(language.name().parse::<Language>().unwrap(), language);
            let json = serde_json::to_string(&language).unwrap();
            assert_eq!(json, format!("{:?}", language.name()));
        }
    }
}
