//! Checks the syntax of programs from standard input, one JSON string a line, and answers with one
//! line each: `ok`, or the error's line, column and message, tab-separated.
//!
//! ```console
//! $ echo '"def f(:"' | cargo run --release -p codescaler-extract --example validity -- python
//! 1<tab>7<tab>Expected a parameter or the end of the parameter list
//! ```

use std::{
    error::Error,
    io::{self, BufRead, BufWriter, Write},
};

use codescaler::language::Language;
use codescaler_extract::check_syntax;

fn main() -> Result<(), Box<dyn Error>> {
    let language: Language = std::env::args().nth(1).as_deref().unwrap_or("python").parse()?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let program: String = serde_json::from_str(&line?)?;
        match check_syntax(&program, language) {
            Ok(()) => writeln!(out, "ok")?,
            Err(error) => {
                writeln!(
                    out,
                    "{}\t{}\t{}",
                    error.line,
                    error.column,
                    error.message.replace('\n', " ")
                )?;
            }
        }
    }
    out.flush()?;
    Ok(())
}
