//! Reports that people read: one HTML file that opens from disk, needs no network and no server,
//! and holds tables, plots, and every problem and program of a run.
//!
//! What is known of a run comes in as plain data ([`Report`]) and goes out as bytes ([`render`]).
//! Nothing is computed here but places on a page: figures with their intervals come from
//! [`codescaler::metric`] by way of the caller, so that a page never says another number than the
//! command that measured it. What a run lacks is left out with a line that says which command
//! makes it ([`Block::Missing`]).
//!
//! Read in this order: [`Report`], [`Table`], [`Plot`], [`Browser`], then `page` (how it becomes a
//! file) and `page/page.js`.
//!
//! - The same report gives the same bytes.
//! - All text is untrusted, and stays text: it is escaped, the page's policy runs no script but its
//!   own, and marks of direction are shown by their code points.
//! - Colours are custom properties of the page's style, so that plots follow light, dark and print.

mod browser;
mod index;
mod page;
mod plot;
mod rank;
mod report;
mod table;
pub mod tensorboard;
mod text;

pub use browser::{Browser, Entry, Exchange, Found, Shown};
pub use index::{RunLine, TrainingLine, index_page, refusal_page};
pub use page::render;
pub use plot::{Axis, Look, Plot, Point, Scale, Series};
pub use rank::rank_page;
pub use report::{Block, Figure, Place, Report, Section};
pub use table::{Cell, Table};
