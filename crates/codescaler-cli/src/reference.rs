//! `codescaler reference`: what every verb says with `--help`, as the page `docs/verbs.md`.

use std::fmt::Write as _;

use clap::Command;

/// Columns of the page, whatever the terminal.
const COLUMNS: usize = 100;

/// The page: verbs in the order of the command line, those below a verb behind it.
pub(crate) fn page(command: Command) -> String {
    let mut command = command.term_width(COLUMNS);
    command.build();
    let mut page = "\
# Verbs

What every verb says with `--help`. This page is generated: `UPDATE_EXPECT=1 cargo test -p \
codescaler-cli --test cli reference` writes it anew.
"
    .to_owned();
    add(&mut command, &mut page);
    page
}

fn add(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    // Clap leaves blanks at line ends.
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for verb in command.get_subcommands_mut() {
        if verb.get_name() != "help" && !verb.is_hide_set() {
            add(verb, page);
        }
    }
}
