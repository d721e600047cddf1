//! What was measured, as a table and as JSON.

use serde_json::{Value as Json, json};

use super::{Arena, Side, Spread};
use crate::table::table;

/// What one turn took and gave.
pub(super) struct Turn {
    pub(super) wall_s: f64,
    pub(super) scores: Vec<f32>,
}

/// What a side took, round by round.
pub(super) struct Row {
    pub(super) side: Side,
    pub(super) turns: Vec<Turn>,
    pub(super) alone_s: Vec<f64>,
}

impl Row {
    pub(super) fn new(side: Side) -> Row {
        Row { side, turns: Vec::new(), alone_s: Vec::new() }
    }
}

/// What rows are seen against.
pub(super) struct Frame {
    n_programs: f64,
    /// Per row: billions of operations in one turn, and what the processor could do in a second.
    work: Vec<(f64, Option<f64>)>,
    /// The row of the reference framework in bf16.
    reference: Option<usize>,
    /// The scores in f32: of the reference framework, or of ours.
    exact: Option<Vec<f32>>,
}

/// The figures of one row.
struct Figures {
    programs_per_s: Spread,
    alone_s: Spread,
    times_as_fast: Option<Spread>,
    times_as_fast_alone: Option<Spread>,
    gflops: Spread,
    share_of_peak: Option<f64>,
    largest_difference: Option<f64>,
}

impl Frame {
    pub(super) fn new(arena: &Arena, rows: &[Row]) -> Frame {
        let find = |wanted: &dyn Fn(Side) -> bool| rows.iter().position(|row| wanted(row.side));
        let exact = find(&|side| matches!(side, Side::Peer { dtype: "f32", .. }))
            .or_else(|| find(&|side| side.is_ours_in_f32()));
        #[expect(clippy::cast_precision_loss, reason = "a number of programs")]
        let n_programs = arena.n_programs() as f64;
        let work = |row: &Row| (arena.gflop(row.side), arena.peak_gflops(row.side));
        Frame {
            n_programs,
            work: rows.iter().map(work).collect(),
            reference: find(&|side| matches!(side, Side::Peer { dtype: "bf16", .. })),
            exact: exact.map(|at| rows[at].turns[0].scores.clone()),
        }
    }

    fn figures(&self, rows: &[Row], at: usize) -> Figures {
        let row = &rows[at];
        let reference = self.reference.filter(|reference| *reference != at).map(|at| &rows[at]);
        let wall_s = |row: &Row| row.turns.iter().map(|turn| turn.wall_s).collect::<Vec<_>>();
        let (work, peak) = self.work[at];
        let gflops = Spread::of(wall_s(row).into_iter().map(|wall_s| work / wall_s));
        let difference = |exact: &Vec<f32>| {
            let pairs = exact.iter().zip(&row.turns[0].scores);
            pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
        };
        Figures {
            programs_per_s: Spread::of(wall_s(row).into_iter().map(|s| self.n_programs / s)),
            alone_s: Spread::of(row.alone_s.iter().copied()),
            times_as_fast: reference.map(|reference| {
                Spread::of_ratios(wall_s(reference).into_iter(), wall_s(row).into_iter())
            }),
            times_as_fast_alone: reference.map(|reference| {
                Spread::of_ratios(reference.alone_s.iter().copied(), row.alone_s.iter().copied())
            }),
            share_of_peak: peak.map(|peak| gflops.median / peak),
            gflops,
            largest_difference: self.exact.as_ref().map(difference),
        }
    }

    pub(super) fn show(&self, rows: &[Row]) -> String {
        let optional = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let line = |at: usize| {
            let figures = self.figures(rows, at);
            vec![
                rows[at].side.name(),
                figures.programs_per_s.show(2),
                optional(figures.times_as_fast.map(|times| times.show(2))),
                figures.alone_s.show(2),
                optional(figures.times_as_fast_alone.map(|times| times.show(2))),
                format!("{:.0}", figures.gflops.median),
                optional(figures.share_of_peak.map(|share| format!("{:.0} %", share * 100.0))),
                optional(figures.largest_difference.map(|difference| format!("{difference:.1e}"))),
            ]
        };
        let head = [
            "",
            "programs/s",
            "× transformers bf16",
            "one alone, s",
            "× transformers bf16",
            "GFLOP/s",
            "of peak",
            "off f32 by",
        ];
        table(&head, &(0..rows.len()).map(line).collect::<Vec<_>>())
    }

    pub(super) fn summary(&self, rows: &[Row]) -> Json {
        let line = |at: usize| {
            let figures = self.figures(rows, at);
            let wall_s: Vec<f64> = rows[at].turns.iter().map(|turn| turn.wall_s).collect();
            json!({
                "side": rows[at].side.name(),
                "programs_per_s": figures.programs_per_s.summary(),
                "times_as_fast": figures.times_as_fast.map(Spread::summary),
                "alone_s": figures.alone_s.summary(),
                "times_as_fast_alone": figures.times_as_fast_alone.map(Spread::summary),
                "gflops": figures.gflops.summary(), "share_of_peak": figures.share_of_peak,
                "largest_difference": figures.largest_difference,
                "wall_s": wall_s, "each_alone_s": rows[at].alone_s,
            })
        };
        (0..rows.len()).map(line).collect()
    }
}
