//! From a report to a file.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{browser::Browser, report::Report, text::escape};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The colours that the style begins with, light and dark.
pub(crate) fn colours() -> &'static str {
    STYLE.split_once("\n* {").map_or(STYLE, |(colours, _)| colours)
}

/// The page, whole: it refers to nothing outside itself.
pub fn render(report: &Report<'_>) -> String {
    let mut body = report.header();
    body.push_str(&report.contents());
    body.push_str("<main>\n");
    for section in &report.sections {
        body.push_str(&section.html());
    }
    if report.browser.is_some() {
        body.push_str(include_str!("page/programs.html"));
    }
    body.push_str(&report.origin());
    body.push_str("</main>\n");
    let data = report.browser.as_ref().map_or_else(String::new, data);
    // The data stand last, so that a reader sees the rest before they are read.
    document(&report.title, &body, &data, (SCRIPT, "'none'"))
}

/// A page with our style and one script. `connect` is where the script may send requests to.
///
/// The policy (Content-Security-Policy, level 3) names style and script by their hashes: whatever
/// text of others came to be in the page, no browser would run it or load anything for it. The one
/// image, an icon of no bytes, keeps browsers from asking a server for one.
pub(crate) fn document(
    title: &str,
    body: &str,
    data: &str,
    (script, connect): (&str, &str),
) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()));
    let mut html = String::with_capacity(body.len() + data.len() + 40_000);
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src {connect}; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}{data}\
         <script>{script}</script>\n</body>\n</html>\n",
        hash(script),
        hash(STYLE),
        escape(title)
    );
    html
}

/// The blocks that the script unpacks; browsers do not run what is no script.
fn data(browser: &Browser<'_>) -> String {
    let packed = browser.packed();
    let mut html = format!("<script type=\"text/plain\" id=\"index\">{}</script>\n", packed.index);
    for (place, texts) in packed.texts.iter().enumerate() {
        if let Some(texts) = texts {
            let _ =
                writeln!(html, "<script type=\"text/plain\" id=\"texts-{place}\">{texts}</script>");
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use codescaler::metric::Estimate;

    use super::*;
    use crate::{
        Axis, Block, Cell, Figure, Look, Place, Plot, Point, Scale, Section, Series, Table,
        rank_page,
    };

    const HOSTILE: [&str; 5] = [
        "</script><script>bad()</script>",
        "</title></style><style>*{display:none}</style>",
        "<img src=x onerror=bad()>",
        "\" onclick=\"bad()\" '",
        "--><!-- \u{202e}\0",
    ];

    /// A report in which every text is `text`.
    fn report(text: &str) -> Report<'_> {
        let own = || text.to_owned();
        let axis = || Axis { name: own(), scale: Scale::Linear, range: None };
        let points = vec![Point { x: 1.0, y: 2.0, spread: None, label: own() }];
        let plot = Plot {
            title: own(),
            x: axis(),
            y: axis(),
            series: vec![Series { name: own(), look: Look::Line, points }],
            has_diagonal: true,
        };
        let rows = vec![vec![Cell::text(text), Cell::Bar(Estimate::default())]];
        let table = Table { caption: own(), head: vec![own(), own()], rows };
        let blocks = vec![
            Block::Words(own()),
            Block::Missing { what: own(), command: own() },
            Block::Table(table),
            Block::Plot(plot),
        ];
        Report {
            title: own(),
            lead: vec![own()],
            figures: vec![Figure { name: own(), value: Cell::text(text) }],
            sections: vec![Section { id: "x", title: own(), blocks }],
            browser: Some(Browser { problems: Vec::new() }),
            provenance: vec![(own(), own())],
            place: Place::Server,
        }
    }

    /// What a page says beside our own script and style.
    fn without_ours(page: &str) -> String {
        page.replace(SCRIPT, "").replace(STYLE, "")
    }

    #[test]
    fn a_page_runs_and_loads_nothing_of_others() {
        let tags = |page: &str| {
            without_ours(page)
                .split('<')
                .map(|part| part.split([' ', '>']).next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let plain = tags(&render(&report("plain")));
        for text in HOSTILE {
            let page = render(&report(text));
            assert_eq!(tags(&page), plain, "{text:?} became markup");
            let rest = without_ours(&page);
            assert!(!rest.contains("\" onclick") && !rest.contains(['\u{202e}', '\0']), "{text:?}");
        }
    }

    #[track_caller]
    fn check_policy(page: &str) {
        let hash = |start: &str, end: &str| {
            let text = page.rsplit_once(start).unwrap().1.split_once(end).unwrap().0;
            BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
        };
        let policy = page.split_once("content=\"default-src 'none'; ").unwrap().1;
        let policy = policy.split_once('"').unwrap().0;
        assert!(policy.contains(&format!("script-src 'sha256-{}'", hash("<script>", "</script>"))));
        assert!(policy.contains(&format!("style-src 'sha256-{}'", hash("<style>", "</style>"))));
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        let rest = without_ours(page);
        assert!(!rest.contains(" style=") && !rest.contains("http:") && !rest.contains("https:"));
    }

    #[test]
    fn the_policy_admits_our_script_and_style_alone() {
        check_policy(&render(&report("plain")));
        check_policy(&rank_page());
    }

    #[test]
    fn the_same_report_is_the_same_page() {
        assert_eq!(render(&report("x")), render(&report("x")));
    }
}
