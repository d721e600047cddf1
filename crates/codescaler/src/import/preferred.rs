//! RM-Bench and JudgeBench: whole answers, of which some are better than others.

use serde::Deserialize;

use super::row::{Out, RowError};
use crate::{
    candidate::{Candidate, Label, Source},
    language::Language,
    metric::Style,
    problem::{Entry, Meta, Problem},
    record::Extra,
};

/// A row of RM-Bench. Files of one domain do not state it; there it follows from the subset.
#[derive(Deserialize)]
pub(super) struct Styled {
    id: serde_json::Value,
    prompt: String,
    chosen: [String; 3],
    rejected: [String; 3],
    domain: Option<String>,
    subset: Option<String>,
    language: Option<String>,
}

pub(super) fn rm_bench(row: Styled, out: &mut Out<'_>) -> Result<(), RowError> {
    let domain = match (row.domain, row.subset.as_deref()) {
        (Some(domain), _) => domain,
        (None, Some("bigcode/humanevalpack")) => "code".to_owned(),
        (None, Some("alpacaeval")) => "chat".to_owned(),
        (None, Some("xstest-should-respond")) => "safety-response".to_owned(),
        (None, Some("xstest-should-refuse" | "refusals-dangerous" | "refusals-offensive")) => {
            "safety-refuse".to_owned()
        }
        (None, _) => {
            return Err(RowError::at("domain", "missing, and the subset is none that tells it"));
        }
    };
    let number = row.id.as_str().map_or_else(|| row.id.to_string(), str::to_owned);
    let language = language(row.language.as_deref())?;
    let mut problem = problem(format!("rm-bench/{domain}/{number}"), row.prompt, language);
    problem.meta.source = Some("rm-bench".to_owned());
    problem.meta.extra.insert("domain".to_owned(), domain.into());
    let mut group = Group { problem: problem.id.clone(), language, by: "rm-bench", next: 0 };
    out.problem(problem)?;
    for (answers, passed) in [(row.chosen, true), (row.rejected, false)] {
        for (answer, style) in answers.into_iter().zip(Style::ALL) {
            let style = Extra::from_iter([("style".to_owned(), style.name().into())]);
            group.answer(out, answer, passed, (String::new(), style))?;
        }
    }
    Ok(())
}

/// A row of JudgeBench.
#[derive(Deserialize)]
pub(super) struct Judged {
    pair_id: String,
    question: String,
    source: String,
    response_model: String,
    #[serde(rename = "response_A")]
    response_a: String,
    #[serde(rename = "response_B")]
    response_b: String,
    label: String,
}

pub(super) fn judgebench(row: Judged, out: &mut Out<'_>) -> Result<(), RowError> {
    let a_is_right = match row.label.as_str() {
        "A>B" => true,
        "B>A" => false,
        other => {
            return Err(RowError::at("label", format!("expected A>B or B>A, found {other:?}")));
        }
    };
    let id = format!("judgebench/{}", row.pair_id);
    let mut problem = problem(id, row.question, Language::Python);
    problem.meta.source = Some("judgebench".to_owned());
    problem.meta.extra.insert("subset".to_owned(), row.source.into());
    let language = Language::Python;
    let mut group = Group { problem: problem.id.clone(), language, by: "judgebench", next: 0 };
    out.problem(problem)?;
    for (answer, passed) in [(row.response_a, a_is_right), (row.response_b, !a_is_right)] {
        group.answer(out, answer, passed, (row.response_model.clone(), Extra::new()))?;
    }
    Ok(())
}

/// Answers in prose name no language; they carry Python's name, which nothing looks at.
fn language(tag: Option<&str>) -> Result<Language, RowError> {
    let Some(tag) = tag else { return Ok(Language::Python) };
    Language::from_tag(tag)
        .ok_or_else(|| RowError::at("language", format!("unknown language {tag:?}")))
}

fn problem(id: String, statement: String, language: Language) -> Problem {
    Problem {
        entry: Entry::Script,
        meta: Meta { split: Some("eval".to_owned()), ..Meta::default() },
        ..Problem::asked(id, statement, language)
    }
}

/// The answers to one prompt, numbered as they come.
struct Group {
    problem: String,
    language: Language,
    by: &'static str,
    next: u32,
}

impl Group {
    fn answer(
        &mut self,
        out: &mut Out<'_>,
        answer: String,
        passed: bool,
        (writer, extra): (String, Extra),
    ) -> Result<(), RowError> {
        let (problem, index) = (self.problem.clone(), self.next);
        self.next += 1;
        out.candidate(Candidate {
            problem: problem.clone(),
            index,
            completion: Some(answer),
            program: None,
            language: self.language,
            source: Source { name: writer, ..Source::default() },
            logprob_sum: None,
            tokens: None,
            extra,
        })?;
        let (by, extra) = (self.by.to_owned(), Extra::new());
        Ok(out.label(Label { problem, index, passed, by, rate: None, extra })?)
    }
}
