//! The terminal: results on stdout, everything else on stderr, progress only for people.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::Failure;

/// Where results and remarks go.
#[derive(Clone, Copy)]
pub(crate) struct Terminal {
    quiet: bool,
}

impl Terminal {
    /// A terminal that shows only results and errors when `quiet`.
    pub(crate) fn new(quiet: bool) -> Terminal {
        Terminal { quiet }
    }

    /// Prints a result. A reader that went away (`| head`) is no error.
    pub(crate) fn print(self, text: &str) {
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// Prints a remark.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Prints an error.
    pub(crate) fn error(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "codescaler: {text}");
    }

    /// Whether there is a person to show progress to.
    pub(crate) fn shows_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// A progress bar of `total` steps of which `done` were done before.
    pub(crate) fn progress(self, what: &str, total: u64, done: u64) -> ProgressBar {
        if !self.shows_progress() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(
            "{msg:<12} [{bar:40}] {human_pos}/{human_len} {per_sec} {eta} left",
        );
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
            .with_style(style.expect("the template is well-formed"))
            .with_message(what.to_owned());
        bar.set_position(done);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets a first Ctrl-C or SIGTERM end the work at the next record.
///
/// # Errors
/// When the system refuses the handler.
pub(crate) fn catch_interrupts() -> Result<(), Failure> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::fault(error, "cannot install the signal handler"))
}

/// Whether to stop here.
///
/// # Errors
/// [`Failure::Interrupted`] after a signal.
pub(crate) fn check_interrupt() -> Result<(), Failure> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
}
