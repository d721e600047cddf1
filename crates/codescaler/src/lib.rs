//! Vocabulary, record files, importers, selection rules and metrics of codescaler.
//!
//! Read in this order: [`problem`], [`candidate`], [`execution`], [`score`], [`evidence`],
//! [`select`], [`metric`]; then [`record`] for the files and [`import`] for public data.
//!
//! Nothing here does IO except through `BufRead` and `Write`; there are no threads, no async, no
//! unsafe code and no C.

pub mod candidate;
pub mod check;
pub mod compress;
pub mod evidence;
pub mod execution;
pub mod language;
pub mod preference;
pub mod problem;
pub mod record;
pub mod score;
pub mod seed;
pub mod selection;
pub mod value;
