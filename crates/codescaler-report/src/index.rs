//! A page that leads to the pages of runs.

use std::fmt::Write as _;

use crate::{page::document, text::escape};

/// A run as the list of runs shows it.
#[derive(Clone, Debug)]
pub struct RunLine {
    /// The name of its directory.
    pub name: String,
    /// The verb that makes it, where its plan says so.
    pub verb: Option<String>,
    /// Files that are whole.
    pub whole: Vec<String>,
    /// Files that are being written, with the lines in each.
    pub under_way: Vec<(String, u64)>,
}

/// The page. Runs are behind `runs/NAME`, the page to paste programs into behind `rank`, both below the
/// address of this one, `/ui`.
pub fn index_page(runs: &[RunLine]) -> String {
    let mut body = String::from(
        "<header><h1>Runs</h1>\n<p><a href=\"/ui/rank\">Rank programs that you paste</a></p></header>\n\
         <main><section><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Runs\">\
         <table><caption>Runs, by name</caption><thead><tr><th scope=\"col\">run</th>\
         <th scope=\"col\">verb</th><th scope=\"col\">whole</th><th scope=\"col\">under way</th></tr>\
         </thead><tbody>\n",
    );
    for run in runs {
        let under_way: Vec<String> =
            run.under_way.iter().map(|(file, lines)| format!("{file}: {lines} lines")).collect();
        let or_none = |words: String| if words.is_empty() { "–".to_owned() } else { words };
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\"><a href=\"/ui/runs/{}\">{}</a></th><td>{}</td><td>{}</td>\
             <td>{}</td></tr>",
            percent_encoded(&run.name),
            escape(&run.name),
            escape(run.verb.as_deref().unwrap_or("–")),
            escape(&or_none(run.whole.join(", "))),
            escape(&or_none(under_way.join(", "))),
        );
    }
    body.push_str("</tbody></table></div></section>\n");
    if runs.is_empty() {
        body.push_str(
            "<p>There is no run yet: a folder appears here when a verb writes one.</p>\n",
        );
    }
    body.push_str("</main>\n");
    document("codescaler: runs", &body, "", ("", "'none'"))
}

/// A name as one segment of a path (RFC 3986, section 2).
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_links_lead_to_them() {
        let run = RunLine {
            name: "a <b>/%\"é".to_owned(),
            verb: Some("demo".to_owned()),
            whole: vec!["problems.jsonl".to_owned()],
            under_way: vec![("scores.jsonl".to_owned(), 7)],
        };
        let page = index_page(&[run]);
        assert!(page.contains("href=\"/ui/runs/a%20%3Cb%3E%2F%25%22%C3%A9\""), "{page}");
        assert!(page.contains("scores.jsonl: 7 lines") && !page.contains("<b>"), "{page}");
        assert!(index_page(&[]).contains("There is no run yet"));
    }
}
