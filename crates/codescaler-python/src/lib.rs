//! `codescaler._core`: what the Python package is made of.
//!
//! Thin on purpose: texts, numbers and JSON come in, the crates of the command line do the work
//! without the interpreter's lock, tuples go out. Names for people, defaults and processes that
//! fork are the Python side's (`python/codescaler`).

mod curation;
mod records;
mod sandbox;
mod scorer;
mod selection;
mod text;

use std::time::{Duration, Instant};

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::{
        curation::{pairs, preference_row},
        records::{read_records, write_records},
        sandbox::Sandbox,
        scorer::Scorer,
        selection::{select, shape},
        text::{canonical, extract, reward_prompt},
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// A caller's mistake, with everything that led to it.
fn unusable(error: &(dyn std::error::Error + 'static)) -> PyErr {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        message.push_str(": ");
        message.push_str(&source.to_string());
        cause = source.source();
    }
    pyo3::exceptions::PyValueError::new_err(message)
}

/// A record or an option that came as JSON.
fn parsed<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> PyResult<T> {
    serde_json::from_str(json)
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(format!("{what}: {error}")))
}

/// One of a closed set, by its name.
fn named<T: std::str::FromStr<Err: std::error::Error + 'static>>(name: &str) -> PyResult<T> {
    name.parse().map_err(|error: T::Err| unusable(&error))
}

/// The moment after which there is no more time, if there is one.
fn deadline(seconds_max: Option<f64>) -> PyResult<Option<Instant>> {
    match seconds_max.map(Duration::try_from_secs_f64) {
        None => Ok(None),
        Some(Ok(patience)) => Ok(Instant::now().checked_add(patience)),
        Some(Err(error)) => Err(unusable(&error)),
    }
}
