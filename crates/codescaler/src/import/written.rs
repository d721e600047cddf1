//! Programs and their verdicts, as the files of the collection have them.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value as Json;

use super::row::{Out, RowError};
use crate::{
    candidate::{Candidate, Label, Source},
    language::Language,
    record::Extra,
};

/// A program with its writers and verdicts.
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) code: String,
    pub(super) lang: Option<String>,
    #[serde(default, alias = "src")]
    m: Writers,
    y: Option<Flag>,
    yp: Option<Flag>,
    /// Pass rate over several samples of the writer.
    p: Option<f64>,
    #[serde(rename = "pub")]
    visible: Option<Flag>,
    /// The run on the deciding tests was stopped.
    to: Option<Flag>,
    c: Option<Flag>,
    /// The submission that a bug and its fix belong to.
    sub: Option<String>,
    pub(super) kind: Option<String>,
}

/// 0 or 1, or a truth value.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        let json = Json::deserialize(deserializer)?;
        match (json.as_bool(), json.as_u64()) {
            (Some(truth), _) => Ok(Flag(truth)),
            (None, Some(0)) => Ok(Flag(false)),
            (None, Some(1)) => Ok(Flag(true)),
            (None, _) => Err(de::Error::custom(format!("{json} is neither 0 nor 1"))),
        }
    }
}

/// Who wrote a text, with the number of samples.
#[derive(Default)]
enum Writers {
    #[default]
    Unknown,
    Names(Vec<String>),
    Counts(serde_json::Map<String, Json>),
}

impl<'de> Deserialize<'de> for Writers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Writers, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Null => Ok(Writers::Unknown),
            Json::Object(counts) => Ok(Writers::Counts(counts)),
            Json::Array(names) => {
                serde_json::from_value(names.into()).map(Writers::Names).map_err(de::Error::custom)
            }
            other @ (Json::Bool(_) | Json::Number(_) | Json::String(_)) => {
                Err(de::Error::custom(format!("{other} names no writers")))
            }
        }
    }
}

impl Writers {
    fn counts(self) -> Result<Vec<(String, u32)>, RowError> {
        match self {
            Writers::Unknown => Ok(Vec::new()),
            Writers::Names(names) => Ok(names.into_iter().map(|name| (name, 1)).collect()),
            Writers::Counts(counts) => counts
                .into_iter()
                .map(|(name, count)| match count.as_u64().map(u32::try_from) {
                    Some(Ok(count)) => Ok((name, count)),
                    _ => Err(RowError::at("m", format!("{name:?}: {count} is no count"))),
                })
                .collect(),
        }
    }
}

/// Who gave the verdict `yp`: the extended suites are EvalPlus's.
const EXTENDED: &str = "evalplus";

/// The candidates of one problem, numbered as they come.
pub(super) struct Group<'a> {
    problem: &'a str,
    /// The language of programs that do not name theirs.
    language: Language,
    /// Who gave the verdict `y`.
    by: &'static str,
    license: Option<&'static str>,
    /// Who wrote programs that do not name their writer.
    writer: &'static str,
    index: u32,
}

impl<'a> Group<'a> {
    pub(super) fn new(problem: &'a str, language: Language, by: &'static str) -> Group<'a> {
        Group { problem, language, by, license: None, writer: "", index: 0 }
    }

    /// States the licence of every program.
    pub(super) fn licensed(self, license: &'static str) -> Group<'a> {
        Group { license: Some(license), ..self }
    }

    /// Names the writer of programs that do not name theirs.
    pub(super) fn written_by(self, writer: &'static str) -> Group<'a> {
        Group { writer, ..self }
    }

    /// Changes the language of the programs that follow and do not name theirs.
    pub(super) fn set_language(&mut self, language: Language) {
        self.language = language;
    }

    /// A program that came with the benchmark, and that it is right or wrong.
    pub(super) fn authored(
        &mut self,
        out: &mut Out<'_>,
        name: &str,
        program: String,
        passed: bool,
    ) -> Result<(), RowError> {
        let source = Source { name: name.to_owned(), ..self.source() };
        let index = self.candidate(out, (self.language, program), source, Extra::new())?;
        self.label(out, (index, self.by, passed), None, Extra::new())
    }

    /// A program with what its row says. A program in a language that is none of ours is left
    /// out.
    pub(super) fn written(
        &mut self,
        out: &mut Out<'_>,
        mut written: Written,
        program: impl FnOnce(String) -> String,
    ) -> Result<(), RowError> {
        let language = match written.lang.take() {
            None => self.language,
            Some(tag) => match Language::from_tag(&tag) {
                Some(language) => language,
                None => {
                    out.leave_out(format!("program in an unknown language, {tag}"));
                    return Ok(());
                }
            },
        };
        let mut extra = Extra::new();
        let source = source(written.m.counts()?, self.source(), &mut extra);
        let mut keep = |key: &str, value: Option<Json>| {
            if let Some(value) = value {
                extra.insert(key.to_owned(), value);
            }
        };
        keep("pub", written.visible.map(|Flag(truth)| truth.into()));
        keep("sub", written.sub.map(Json::from));
        let index = self.candidate(out, (language, program(written.code)), source, extra)?;

        // Whatever hints at a verdict stands with the label, where selectors do not look.
        let mut hints = Extra::new();
        for (key, flag) in [("to", written.to), ("c", written.c)] {
            if let Some(Flag(truth)) = flag {
                hints.insert(key.to_owned(), truth.into());
            }
        }
        if let Some(kind) = written.kind {
            hints.insert("kind".to_owned(), kind.into());
        }
        match (written.y, written.p) {
            (Some(Flag(passed)), rate) => self.label(out, (index, self.by, passed), rate, hints)?,
            (None, Some(_)) => out.leave_out("pass rate of the writer, without a verdict"),
            (None, None) => {}
        }
        if let Some(Flag(passed)) = written.yp {
            self.label(out, (index, EXTENDED, passed), None, Extra::new())?;
        }
        Ok(())
    }

    fn source(&self) -> Source {
        Source {
            name: self.writer.to_owned(),
            license: self.license.map(str::to_owned),
            ..Source::default()
        }
    }

    fn candidate(
        &mut self,
        out: &mut Out<'_>,
        (language, program): (Language, String),
        source: Source,
        extra: Extra,
    ) -> Result<u32, RowError> {
        let index = self.index;
        self.index += 1;
        out.candidate(Candidate {
            problem: self.problem.to_owned(),
            index,
            completion: None,
            program: Some(program),
            language,
            source,
            logprob_sum: None,
            tokens: None,
            extra,
        })?;
        Ok(index)
    }

    fn label(
        &self,
        out: &mut Out<'_>,
        (index, by, passed): (u32, &str, bool),
        rate: Option<f64>,
        extra: Extra,
    ) -> Result<(), RowError> {
        Ok(out.label(Label {
            problem: self.problem.to_owned(),
            index,
            passed,
            by: by.to_owned(),
            rate,
            extra,
        })?)
    }
}

/// The writer with most samples names the candidate, the first of them where several have as
/// many; `count` is the number of samples of all writers. Where several writers gave the same
/// text, `sources` among the extra keys has each with its count.
fn source(writers: Vec<(String, u32)>, plain: Source, extra: &mut Extra) -> Source {
    let count = writers.iter().map(|(_, count)| count).sum();
    let most = writers.iter().map(|(_, count)| count).max();
    let Some((name, _)) = writers.iter().find(|(_, count)| Some(count) == most) else {
        return plain;
    };
    let source = Source { name: name.clone(), count, ..plain };
    if writers.len() > 1 {
        let counts = writers.into_iter().map(|(name, count)| (name, count.into()));
        extra.insert("sources".to_owned(), Json::Object(counts.collect()));
    }
    source
}
