//! Vocabulary, record files, importers, selection rules and metrics of codescaler.
//!
//! Read in this order: [`problem`], [`candidate`], [`execution`], [`score`], [`evidence`],
//! [`select`], [`metric`], [`law`]; then [`record`] for the files and [`import`] for public data.
//!
//! Nothing here does IO except through `BufRead` and `Write`; there are no threads, no async, no
//! unsafe code and no C.

pub mod language;
pub mod value;
pub mod check;
pub mod problem;
pub mod example;
pub mod prompt;
pub mod reasoning;
pub mod candidate;
pub mod execution;
pub mod score;
pub mod shaping;
pub mod evidence;
pub mod select;
pub mod inputs;
pub mod selection;
pub mod metric;
pub mod law;
pub mod calibrate;
pub mod preference;
pub mod curate;
pub mod linear;
pub mod seed;
pub mod record;
pub mod compress;
pub mod lab;
pub mod import;
pub mod export;
