//! Links between pages: every one leads to a file, and to a heading where it names one; every page
//! in `docs/` stands in the book's table of contents, and links to nothing that is not in the book.

use std::{collections::BTreeSet, fs, io, path::Path};

/// Complaints about the links of one page.
///
/// # Errors
/// When a page that is linked to cannot be read.
pub(crate) fn check(root: &Path, name: &str, text: &str) -> io::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (line, target) in links(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        if name.starts_with("docs/") && target.starts_with("../") {
            complaints
                .push(format!("{name}:{line}: {target} is no page of the manual: name it as code"));
            continue;
        }
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        let file = if path.is_empty() { root.join(name) } else { root.join(folder).join(path) };
        if !file.exists() {
            complaints.push(format!("{name}:{line}: there is no {target}"));
        } else if !heading.is_empty() && !headings(&fs::read_to_string(&file)?).contains(heading) {
            complaints.push(format!("{name}:{line}: {path} has no heading #{heading}"));
        }
    }
    Ok(complaints)
}

/// Pages in `docs/` that the table of contents does not name.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn contents(root: &Path) -> io::Result<Vec<String>> {
    const CONTENTS: &str = "SUMMARY.md";
    let summary = fs::read_to_string(root.join("docs").join(CONTENTS))?;
    let named: BTreeSet<&str> = links(&summary).map(|(_, target)| target).collect();
    let mut complaints = Vec::new();
    for entry in fs::read_dir(root.join("docs"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && name != CONTENTS && !named.contains(name.as_str()) {
            complaints.push(format!("docs/{CONTENTS} does not name {name}"));
        }
    }
    Ok(complaints)
}

/// The targets of links outside of code, with their lines from 1.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let prose = outside_fences(text);
    prose.flat_map(|(at, line)| {
        // Every other piece between backticks is code.
        let pieces = line.split('`').step_by(2).collect::<Vec<_>>().into_iter();
        let ends = pieces.flat_map(|piece| piece.split("](").skip(1).collect::<Vec<_>>());
        ends.filter_map(move |rest| Some((at + 1, rest.split_once(')')?.0)))
    })
}

fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    })
}

/// The headings of a page as links name them: lower case, blanks as hyphens, no punctuation.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = outside_fences(text).filter_map(|(_, line)| line.strip_prefix('#'));
    let slug = |title: &str| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(slug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](x.md) `[b](y.md)` [c](z.md#h)\n```\n[d](w.md)\n```\n[`e`](v.md)";
        assert_eq!(Vec::from_iter(links(text)), [(1, "x.md"), (1, "z.md#h"), (5, "v.md")]);
    }

    #[test]
    fn headings_are_named_as_links_name_them() {
        let found = headings("# A page\n```\n# no\n```\n## What's `next`, then?\n");
        assert_eq!(Vec::from_iter(found), ["a-page", "whats-next-then"]);
    }

    #[test]
    fn complaints_are_made() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let readme = |text| check(root, "README.md", text).unwrap();
        let check = |text| check(root, "docs/x.md", text).unwrap();
        assert!(check("[a](eval.md) [b](https://x.y/z)").is_empty());
        assert!(readme("[a](README.md#start) [c](docs)").is_empty());
        assert_eq!(
            check("[a](../LOG.md)"),
            ["docs/x.md:1: ../LOG.md is no page of the manual: name it as code"]
        );
        assert_eq!(check("\n[a](nothing.md)"), ["docs/x.md:2: there is no nothing.md"]);
        assert_eq!(
            readme("[a](README.md#nothing)"),
            ["README.md:1: README.md has no heading #nothing"]
        );
    }
}
