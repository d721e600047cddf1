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
    /// How far a training has come, where the run is one.
    pub training: Option<TrainingLine>,
}

/// How far a training has come.
#[derive(Clone, Debug)]
pub struct TrainingLine {
    /// Steps in its log.
    pub step: u64,
    /// Steps it shall make, where its plan says so.
    pub steps: Option<u64>,
    /// The newest of what it logs, by name.
    pub newest: Vec<(&'static str, f64)>,
    /// Seconds since its log grew; `None` when the training is over.
    pub waits_s: Option<u64>,
}

/// A training whose log has not grown for so long is not called live: it was stopped, or its steps
/// are very long.
const LIVE_S_MAX: u64 = 600;

impl TrainingLine {
    /// The step and what it brought.
    fn progress(&self) -> String {
        let mut words = match self.steps {
            Some(steps) => format!("step {} of {steps}", self.step),
            None => format!("step {}", self.step),
        };
        for (at, (name, value)) in self.newest.iter().enumerate() {
            let value = format!("{value:.3}").replace('-', "−");
            let _ = write!(words, "{} {name} {value}", if at == 0 { ":" } else { "," });
        }
        words
    }

    /// Whether it goes on, as far as its log tells.
    fn state(waits_s: u64) -> String {
        let (ago, unit) = match waits_s {
            0..=119 => (waits_s, "s"),
            120..=7_199 => (waits_s / 60, "min"),
            7_200..=172_799 => (waits_s / 3_600, "h"),
            _ => (waits_s / 86_400, "days"),
        };
        let state = if waits_s <= LIVE_S_MAX { "live" } else { "not finished" };
        format!("{state}, log written {ago} {unit} ago")
    }
}

/// The page. Runs are behind `runs/NAME`, the page to paste programs into behind `rank`, both below the
/// address of this one, `/ui`.
pub fn index_page(runs: &[RunLine]) -> String {
    let mut body = String::from(
        "<header><h1>Runs</h1>\n<p><a href=\"/ui/rank\">Rank programs that you paste</a></p></header>\n\
         <main><section><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Runs\">\
         <table><caption>Runs, by name</caption><thead><tr><th scope=\"col\">run</th>\
         <th scope=\"col\">verb</th><th scope=\"col\">under way</th><th scope=\"col\">training</th>\
         <th scope=\"col\">whole</th></tr></thead><tbody>\n",
    );
    for run in runs {
        let training = run.training.as_ref();
        let waits = training.and_then(|training| training.waits_s).map(TrainingLine::state);
        let files = run.under_way.iter().map(|(file, lines)| format!("{file}: {lines} lines"));
        let under_way: Vec<String> = waits.into_iter().chain(files).collect();
        let or_none = |words: String| if words.is_empty() { "–".to_owned() } else { words };
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\"><a href=\"/ui/runs/{}\">{}</a></th><td class=\"line\">{}</td>\
             <td class=\"line\">{}</td><td class=\"line\">{}</td><td>{}</td></tr>",
            percent_encoded(&run.name),
            escape(&run.name),
            escape(run.verb.as_deref().unwrap_or("–")),
            escape(&or_none(under_way.join(", "))),
            escape(&training.map_or_else(|| "–".to_owned(), TrainingLine::progress)),
            escape(&or_none(run.whole.join(", "))),
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

/// The page of a run that cannot be shown, with the reason.
pub fn refusal_page(name: &str, reason: &str) -> String {
    let title = format!("codescaler: {name}");
    let body = format!(
        "<header><p><a href=\"/ui\">All runs</a></p>\n<h1>{}</h1></header>\n\
         <main><p>This run cannot be shown: {}</p></main>\n",
        escape(&title),
        escape(reason)
    );
    document(&title, &body, "", ("", "'none'"))
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
            training: None,
        };
        let page = index_page(&[run]);
        assert!(page.contains("href=\"/ui/runs/a%20%3Cb%3E%2F%25%22%C3%A9\""), "{page}");
        assert!(page.contains("scores.jsonl: 7 lines") && !page.contains("<b>"), "{page}");
        assert!(index_page(&[]).contains("There is no run yet"));
        let page = refusal_page("a <b>", "it is </p><script>");
        assert!(page.contains("a &lt;b&gt;</h1>") && page.contains("it is &lt;/p&gt;"), "{page}");
    }
    #[track_caller]
    fn check(waits_s: Option<u64>, under_way: &str) {
        let newest = vec![("loss", -0.25), ("accuracy", 0.5)];
        let training = TrainingLine { step: 12, steps: Some(40), newest, waits_s };
        let run = RunLine {
            name: "rm".to_owned(),
            verb: None,
            whole: Vec::new(),
            under_way: Vec::new(),
            training: Some(training),
        };
        let page = index_page(&[run]);
        assert!(page.contains(">step 12 of 40: loss −0.250, accuracy 0.500</td>"), "{page}");
        assert!(page.contains(&format!(">{under_way}</td>")), "{page}");
    }

    #[test]
    fn trainings_say_how_far_they_are() {
        check(Some(4), "live, log written 4 s ago");
        check(Some(600), "live, log written 10 min ago");
        check(Some(601), "not finished, log written 10 min ago");
        check(Some(200_000), "not finished, log written 2 days ago");
        check(None, "–");
    }
}
