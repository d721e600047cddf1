//! Counts what importing a file gives: `import_counts FORMAT FILE`, or no arguments for a list of
//! the formats.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use std::{collections::BTreeMap, error::Error, fs::File, io, io::BufReader};

use codescaler::{
    candidate::{Candidate, Label},
    compress::decompressed,
    import::{Format, Sink, import},
    problem::{Problem, Test},
};

#[derive(Default)]
struct Counts {
    tests: BTreeMap<&'static str, usize>,
    splits: BTreeMap<String, usize>,
    verdicts: BTreeMap<(String, bool), usize>,
}

impl Sink for Counts {
    fn problem(&mut self, problem: Problem) -> io::Result<()> {
        let mut count = |tests: &[Test], kinds: [&'static str; 3]| {
            for test in tests {
                let kind = match test {
                    Test::Stdio { .. } => kinds[0],
                    Test::Call { .. } => kinds[1],
                    Test::Script { .. } => kinds[2],
                };
                *self.tests.entry(kind).or_default() += 1;
            }
        };
        count(&problem.tests.visible, ["visible stdio", "visible call", "visible script"]);
        count(&problem.tests.hidden, ["hidden stdio", "hidden call", "hidden script"]);
        *self.splits.entry(problem.meta.split.unwrap_or_default()).or_default() += 1;
        Ok(())
    }

    fn candidate(&mut self, _: Candidate) -> io::Result<()> {
        Ok(())
    }

    fn label(&mut self, label: Label) -> io::Result<()> {
        *self.verdicts.entry((label.by, label.passed)).or_default() += 1;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [format, path] = arguments.as_slice() else {
        for format in Format::ALL {
            println!("{format:26} {}", format.describe());
        }
        return Ok(());
    };
    let mut input = decompressed(BufReader::new(File::open(path)?))?;
    let mut counts = Counts::default();
    let summary = import(format.parse()?, &mut input, &mut counts)?;
    println!(
        "problems {}, candidates {}, labels {}",
        summary.problems, summary.candidates, summary.labels
    );
    println!("splits {:?}", counts.splits);
    println!("tests {:?}", counts.tests);
    for ((by, passed), count) in &counts.verdicts {
        println!("{by}: {} {count}", if *passed { "passed" } else { "failed" });
    }
    for (reason, count) in &summary.left_out {
        println!("left out: {count} × {reason}");
    }
    Ok(())
}
