//! What was measured, as a table and as JSON.

use serde_json::{Value as Json, json};

use super::{
    super::{process::Process, spread::Spread},
    side::{Side, Turn},
};
use crate::{failure::Failure, table::table};

/// A side, its process, and what it took, round by round.
pub(super) struct Row {
    side: Side,
    process: Process,
    /// Resident before there is a decoder: libraries and interpreter.
    memory_mib_before: f64,
    wall_s: Vec<f64>,
    loss: f64,
}

impl Row {
    /// One step is made before any is measured: what a side does the first time takes longer.
    pub(super) fn warm(side: Side, process: Process) -> Result<Row, Failure> {
        let memory_mib_before = process.memory_mib_max()?;
        let mut row = Row { side, process, memory_mib_before, wall_s: Vec::new(), loss: f64::NAN };
        row.turn(1)?;
        row.wall_s.clear();
        Ok(row)
    }

    pub(super) fn turn(&mut self, steps: usize) -> Result<(), Failure> {
        let Turn { wall_s, loss } = self.process.ask(&json!({"steps": steps}))?;
        #[expect(clippy::cast_precision_loss, reason = "a number of steps")]
        self.wall_s.push(wall_s / steps as f64);
        self.loss = loss;
        Ok(())
    }
}

/// A load and what each side took for one step of it.
pub(super) struct Measured {
    name: String,
    /// Of all texts.
    tokens: usize,
    /// What others are compared with.
    reference: Option<Side>,
    rows: Vec<Figures>,
}

/// The figures of one row.
struct Figures {
    side: Side,
    versions: Json,
    wall_s: Vec<f64>,
    tokens_per_s: Spread,
    times_as_fast: Option<Spread>,
    memory_mib_max: f64,
    memory_mib_before: f64,
    loss: f64,
}

impl Measured {
    /// Ends the sides' processes.
    pub(super) fn new(name: String, tokens: usize, rows: Vec<Row>) -> Result<Measured, Failure> {
        let reference = Side::reference(rows.iter().map(|row| row.side));
        let reference_row = rows.iter().find(|row| Some(row.side) == reference);
        let seconds = |row: &Row| row.wall_s.clone().into_iter();
        let figures = |row: &Row| {
            let reference = reference_row.filter(|reference| reference.side != row.side);
            #[expect(clippy::cast_precision_loss, reason = "a number of tokens")]
            let tokens_per_s = Spread::of(seconds(row).map(|wall_s| tokens as f64 / wall_s));
            Ok(Figures {
                side: row.side,
                versions: row.process.hello.clone(),
                wall_s: row.wall_s.clone(),
                tokens_per_s,
                times_as_fast: reference
                    .map(|reference| Spread::of_ratios(seconds(reference), seconds(row))),
                memory_mib_max: row.process.memory_mib_max()?,
                memory_mib_before: row.memory_mib_before,
                loss: row.loss,
            })
        };
        let rows = rows.iter().map(figures).collect::<Result<_, Failure>>()?;
        Ok(Measured { name, tokens, reference, rows })
    }

    pub(super) fn show(&self) -> String {
        let reference = self.reference.map_or_else(|| "–".to_owned(), Side::name);
        let line = |row: &Figures| {
            vec![
                row.side.name(),
                row.tokens_per_s.show(0),
                row.times_as_fast.map_or_else(|| "–".to_owned(), |times| times.show(2)),
                Spread::of(row.wall_s.iter().copied()).show(2),
                format!("{:.0}", row.memory_mib_max),
                format!("{:.0}", row.memory_mib_before),
                format!("{:.4}", row.loss),
            ]
        };
        let times = format!("× {reference}");
        let head =
            ["", "tokens/s", &times, "a step, s", "peak memory, MiB", "before, MiB", "last loss"];
        let rows: Vec<Vec<String>> = self.rows.iter().map(line).collect();
        format!("{}\n{}\n", self.name, table(&head, &rows))
    }

    pub(super) fn summary(&self) -> Json {
        let line = |row: &Figures| {
            json!({
                "side": row.side.name(), "versions": row.versions,
                "tokens_per_s": row.tokens_per_s.summary(),
                "times_as_fast": row.times_as_fast.map(Spread::summary),
                "memory_mib_max": row.memory_mib_max, "memory_mib_before": row.memory_mib_before,
                "last_loss": row.loss, "wall_s": row.wall_s,
            })
        };
        let sides: Vec<Json> = self.rows.iter().map(line).collect();
        let reference = self.reference.map(Side::name);
        json!({"load": self.name, "tokens": self.tokens, "reference": reference, "sides": sides})
    }
}
