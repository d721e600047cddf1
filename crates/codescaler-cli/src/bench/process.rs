//! A side in a process of its own: it answers one line with one line, both JSON, and ends with its
//! standard input.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{failure::Failure, memory::resident_mib_max};

/// What `transformers` on PyTorch is called where it fails.
pub(super) const FRAMEWORK: &str = "the reference framework, which needs torch and transformers,";

pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    name: &'static str,
    /// Its first line, before any question.
    pub(super) hello: Json,
}

impl Process {
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        args: &[&OsStr],
    ) -> Result<Process, Failure> {
        #[expect(clippy::disallowed_methods, reason = "ourselves, or what the user named")]
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Failure::input(format!("cannot start {}: {error}", program.display()))
            })?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut process = Process { child, stdin, stdout, name, hello: Json::Null };
        process.hello = process.line()?;
        Ok(process)
    }

    pub(super) fn ask<T: DeserializeOwned>(&mut self, request: &Json) -> Result<T, Failure> {
        let stdin = self.stdin.as_mut().expect("it is open until the end");
        writeln!(stdin, "{request}").map_err(|error| dead(self.name, &error))?;
        self.line()
    }

    fn line<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(|error| dead(self.name, &error))?;
        serde_json::from_str(&line).map_err(|error| dead(self.name, &error))
    }

    /// The most memory that was resident at any time so far, in MiB.
    pub(super) fn memory_mib_max(&self) -> Result<f64, Failure> {
        let process = self.child.id().to_string();
        resident_mib_max(&process).ok_or_else(|| {
            let error = anyhow::Error::msg(format!("/proc/{process}/status does not tell"));
            Failure::fault(error, "cannot read peak memory")
        })
    }
}

fn dead(name: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::input(format!("{name} does not answer ({why}); what it wrote stands above"))
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
