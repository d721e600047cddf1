//! What this machine offers.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use codescaler::language::Language;
use serde::Serialize;

use crate::{
    protection::Protection,
    sandbox::{Options, Sandbox, StartError},
};

/// What this machine offers to programs, and what it lacks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What protects from programs; `None` where no program can be run at all.
    pub protection: Option<Protection>,
    /// Why no program can be run.
    pub trouble: Option<String>,
    /// Interpreters and compilers that were found.
    pub found: Vec<Runtime>,
    /// Languages for which nothing was found.
    pub missing: Vec<Language>,
}

/// An interpreter or a compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// What it runs.
    pub language: Language,
    /// Where it is.
    pub path: PathBuf,
    /// Its version, where it was started.
    pub version: Option<String>,
    /// Whether the sandbox can run programs with it yet.
    pub usable: bool,
}

/// Where programs are looked for; the environment is the command line's business.
const FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin"];

/// The interpreter that is used when none is named.
pub(crate) fn python_found() -> Result<PathBuf, StartError> {
    find("python3").ok_or_else(|| StartError::NoPython { searched: FOLDERS.join(", ") })
}

fn find(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Every Python that is not the same file as one before.
fn pythons() -> Vec<PathBuf> {
    let names = std::iter::once("python3".to_owned())
        .chain((9..30).map(|minor| format!("python3.{minor}")));
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for path in names.filter_map(|name| find(&name)) {
        let file = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !seen.contains(&file) {
            seen.push(file);
            found.push(path);
        }
    }
    found
}

/// Tries what this machine offers: starts a sandbox with every Python there is, and looks for the
/// tools of other languages. Takes about a tenth of a second for each Python.
pub fn doctor() -> Report {
    let mut report =
        Report { protection: None, trouble: None, found: Vec::new(), missing: Vec::new() };
    for path in pythons() {
        let options = Options {
            slots: 1,
            weak_isolation_allowed: true,
            python: Some(path.clone()),
            ..Options::default()
        };
        let version = match Sandbox::start(&options) {
            Ok(sandbox) => {
                report.protection.get_or_insert_with(|| sandbox.protection().clone());
                Some(sandbox.python_version().to_owned())
            }
            Err(error) => {
                report.trouble.get_or_insert_with(|| chain(&error));
                None
            }
        };
        let usable = version.is_some();
        report.found.push(Runtime { language: Language::Python, path, version, usable });
    }
    if report.found.is_empty() {
        report.missing.push(Language::Python);
        report.trouble = python_found().err().map(|error| error.to_string());
    }
    for language in Language::ALL {
        let Some(tool) = tool(language) else { continue };
        match find(tool) {
            Some(path) => {
                report.found.push(Runtime { language, path, version: None, usable: false });
            }
            None => report.missing.push(language),
        }
    }
    report
}

/// The command that compiles or runs a language other than Python.
fn tool(language: Language) -> Option<&'static str> {
    Some(match language {
        Language::Python => return None,
        Language::C => "cc",
        Language::Cpp => "c++",
        Language::Java => "javac",
        Language::Go => "go",
        Language::Rust => "rustc",
        Language::JavaScript => "node",
        Language::TypeScript => "tsc",
        Language::CSharp => "dotnet",
        Language::Kotlin => "kotlinc",
        Language::Php => "php",
        Language::Ruby => "ruby",
        Language::Scala => "scala",
        Language::Swift => "swift",
    })
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<String>>().join(": ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.protection, &self.trouble) {
            (Some(protection), _) => {
                writeln!(f, "protection: level {protection}")?;
                for layer in protection.in_force() {
                    writeln!(f, "  in force: {layer}")?;
                }
                for layer in protection.lost() {
                    writeln!(f, "  missing: {layer}")?;
                }
            }
            (None, trouble) => writeln!(
                f,
                "protection: none, programs cannot be run: {}",
                trouble.as_deref().unwrap_or("no interpreter")
            )?,
        }
        for runtime in &self.found {
            let version = runtime.version.as_deref().unwrap_or("version not asked");
            let note = if runtime.usable { "" } else { " (not used yet)" };
            let path = runtime.path.display();
            writeln!(f, "{}: {path}, {version}{note}", runtime.language)?;
        }
        let missing: Vec<&str> = self.missing.iter().map(|language| language.name()).collect();
        writeln!(f, "not found: {}", missing.join(", "))
    }
}
