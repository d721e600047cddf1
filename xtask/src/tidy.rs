//! The checks: arrows between crates, lengths of files, words, unsafe code, unreachable files, links
//! between pages, and that ARCHITECTURE.md names what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use crate::links;

/// A source file longer than this is more than one idea.
const LINES_MAX: usize = 600;

/// Files that may hold unsafe code; each block says why it is sound.
const UNSAFE_FILES: &[&str] = &[
    "crates/codescaler-nn/src/parallel.rs",
    "crates/codescaler-nn/src/kernel/x86.rs",
    "crates/codescaler-nn/src/weights.rs",
    "crates/codescaler-sandbox/src/native/fork.rs",
    "crates/codescaler-sandbox/src/native/launcher.rs",
    "crates/codescaler-sandbox/src/native/sys.rs",
    "crates/codescaler-sandbox/src/native/zygote.rs",
    "crates/codescaler-sandbox/src/sys.rs",
];

/// What no source file says, with what to do instead. The halves are joined at run time, so that
/// this file does not say it either.
const BANNED: &[(&str, &str, &str)] = &[
    ("tod", "o!(", "finish it"),
    ("unimplem", "ented!(", "finish it"),
    ("db", "g!(", "remove it"),
    ("#[ign", "ore", "make the test fit or delete it"),
    ("should_", "panic", "assert on the error"),
    ("#[all", "ow(", "use #[expect(…, reason = …)]"),
    ("serde(unta", "gged", "its errors name no key; deserialize by hand"),
    ("mod ut", "ils", "name what it does"),
    ("mod com", "mon", "name what it does"),
    ("mod hel", "pers", "name what it does"),
];

/// Every complaint about the tree under `root`, sorted.
///
/// # Errors
/// When the tree cannot be read.
pub(crate) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for path in files(root, &["rs", "md", "toml", "sh", "py"])? {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&path)?;
        if name.ends_with(".rs") {
            complaints.extend(source(&name, &text));
            complaints.extend(unreachable(&path, &name)?);
        }
        complaints.extend(words(&name, &text));
        if name.ends_with(".md") {
            complaints.extend(links::check(root, &name, &text)?);
        }
    }
    complaints.extend(architecture(root)?);
    complaints.extend(links::contents(root)?);
    complaints.sort();
    Ok(complaints)
}

fn source(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > LINES_MAX {
        complaints.push(format!("{name}: {n_lines} lines, at most {LINES_MAX}: is it one idea?"));
    }
    for (idx, line) in text.lines().enumerate() {
        for (head, tail, instead) in BANNED {
            let banned = format!("{head}{tail}");
            if line.contains(&banned) {
                complaints.push(format!("{name}:{}: {banned:?}: {instead}", idx + 1));
            }
        }
        if name.starts_with("crates/codescaler-sandbox/src/") && line.contains("SystemTime") {
            complaints.push(format!("{name}:{}: limits run on a clock that nobody sets", idx + 1));
        }
        let is_unsafe =
            line.contains(concat!("unsafe", " {")) || line.contains(concat!("unsafe", " fn"));
        if is_unsafe && !UNSAFE_FILES.contains(&name) {
            complaints.push(format!("{name}:{}: unsafe code has its own files", idx + 1));
        }
    }
    complaints
}

/// The bare word is banned: say reward model, language model, policy or judge.
fn words(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut before = String::new();
    for (idx, line) in text.lines().enumerate() {
        let prose = match name.rsplit('.').next() {
            Some("rs") => line.trim_start().strip_prefix("//").unwrap_or_default(),
            Some("md") => line,
            _ => "",
        };
        for word in
            prose.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
        {
            let word = word.to_lowercase();
            let bare = word == "model" || word == "models";
            if bare && !["reward", "language", "banned"].contains(&before.as_str()) {
                complaints.push(format!(
                    "{name}:{}: bare {word:?}: say reward model, language model, policy or judge",
                    idx + 1
                ));
            }
            before = word;
        }
    }
    complaints
}

/// A source file that no `mod` line names, and no build script compiles, is dead.
fn unreachable(path: &Path, name: &str) -> io::Result<Vec<String>> {
    let (Some(stem), Some(folder)) = (path.file_stem().and_then(|s| s.to_str()), path.parent())
    else {
        return Ok(Vec::new());
    };
    let in_src = name.contains("/src/");
    if !in_src || ["lib", "main", "mod", "build"].contains(&stem) {
        return Ok(Vec::new());
    }
    let parents = [
        folder.join("lib.rs"),
        folder.join("main.rs"),
        folder.with_extension("rs"),
        folder.join("mod.rs"),
    ];
    for parent in parents.iter().filter(|parent| parent.exists()) {
        let text = fs::read_to_string(parent)?;
        if text.lines().any(|line| line.trim_end().ends_with(&format!("mod {stem};"))) {
            return Ok(Vec::new());
        }
    }
    let build_script = path.ancestors().find(|folder| folder.ends_with("src"));
    let build_script = build_script.map(|src| src.with_file_name("build.rs"));
    if let Some(script) = build_script.filter(|script| script.exists()) {
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if fs::read_to_string(script)?.contains(&format!("/{file_name}\"")) {
            return Ok(Vec::new());
        }
    }
    Ok(vec![format!("{name}: no `mod {stem};` names this file")])
}

/// Every crate is named in ARCHITECTURE.md, and every crate it names exists.
fn architecture(root: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let named: BTreeSet<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| word.starts_with("codescaler-") || *word == "codescaler")
        .collect();
    let crates: BTreeSet<String> = arrows(root)?.into_keys().collect();
    let missing = crates.iter().filter(|name| !named.contains(name.as_str()));
    let gone = named.iter().filter(|name| !crates.contains(**name));
    Ok(missing
        .map(|name| format!("ARCHITECTURE.md does not name the crate {name}"))
        .chain(gone.map(|name| format!("ARCHITECTURE.md names {name}, which does not exist")))
        .collect())
}

/// Which of our crates each of our crates depends on, by its manifest.
fn arrows(root: &Path) -> io::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut arrows = BTreeMap::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
        let depends = manifest.lines().filter_map(|line| {
            let name = line.split(['.', ' ', '=']).next()?;
            (name.starts_with("codescaler")).then(|| name.to_owned())
        });
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        arrows.insert(name, depends.collect());
    }
    Ok(arrows)
}

/// All files under `root` with one of the endings, except what is built or downloaded.
fn files(root: &Path, endings: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "corpus", "runs"].contains(&name.as_str())
                {
                    folders.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|e| endings.contains(&e.to_string_lossy().as_ref()))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// The dependency arrows between our crates. Changing one is an architectural decision: this
    /// expectation is where it becomes visible in review.
    #[test]
    fn arrows_are_as_designed() {
        let shown: String = arrows(root())
            .unwrap()
            .into_iter()
            .map(|(name, depends)| format!("{name} -> {}\n", Vec::from_iter(depends).join(" ")))
            .collect();
        expect![[r#"
            codescaler -> 
            codescaler-cli -> codescaler codescaler-extract codescaler-http codescaler-nn codescaler-report codescaler-reward codescaler-sandbox codescaler-search
            codescaler-extract -> codescaler
            codescaler-http -> codescaler
            codescaler-nn -> 
            codescaler-python -> codescaler codescaler-extract codescaler-nn codescaler-reward codescaler-sandbox
            codescaler-report -> codescaler
            codescaler-reward -> codescaler codescaler-extract codescaler-nn
            codescaler-sandbox -> codescaler
            codescaler-search -> codescaler
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn the_tree_is_tidy() {
        assert_eq!(check(root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn complaints_are_made() {
        let long = "\n".repeat(LINES_MAX + 1);
        assert_eq!(source("x.rs", &long).len(), 1);
        assert_eq!(source("x.rs", &["    tod", "o!()"].concat()).len(), 1);
        assert_eq!(source("x.rs", &["unsafe", " { f() }"].concat()).len(), 1);
        assert_eq!(words("x.rs", "// the model\nlet model = 1;").len(), 1);
        assert_eq!(words("x.md", "A reward\nmodel, language models.").len(), 0);
    }
}
