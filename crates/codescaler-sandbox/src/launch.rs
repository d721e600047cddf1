//! What the launcher is asked to start.

use std::{
    io::{self, Read as _},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use codescaler::execution::{Fault, FaultKind};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::zygote::{Ceiling, io_fault};

/// Most descriptors of a request (`FDS_MAX` in `native/fork.rs`).
pub(crate) const RIGHTS_MAX: usize = 80;
/// Most files of an artifact: what is left of them beside streams and executable.
const FILES_MAX: usize = 64;
/// Most bytes of an artifact.
const ARTIFACT_BYTES_MAX: usize = 64 << 20;

/// A program or a compiler, and how it is started.
pub(crate) struct Launch<'a> {
    /// Whether it may start other programs, and write: compilers do.
    pub(crate) is_compiler: bool,
    pub(crate) ceiling: Ceiling,
    /// Whether the bound on memory is one on data: virtual machines reserve address space that
    /// they never use.
    pub(crate) is_data: bool,
    /// The executable; else the first argument is its path.
    pub(crate) executable: Option<&'a OwnedFd>,
    pub(crate) arguments: &'a [String],
    pub(crate) environment: &'a [String],
    /// Files that it finds where it works, by name.
    pub(crate) files: Vec<(&'a str, &'a OwnedFd)>,
}

/// Files that a compiler writes may have so many bytes; programs write none.
const COMPILER_FILE_BYTES_MAX: u64 = 256 << 20;
/// Threads, and processes of a compiler.
const PROCESSES_MAX: u64 = 64;

impl Launch<'_> {
    /// The message (`Request` in `native/launcher.rs`), and the descriptors after the streams.
    pub(crate) fn request(
        &self,
        n_streams: usize,
    ) -> Result<(Vec<u8>, Vec<BorrowedFd<'_>>), Fault> {
        let count = |n: usize| {
            u8::try_from(n).map_err(|_| Fault {
                kind: FaultKind::Resource,
                message: format!("{n} is too many for a request to the launcher"),
            })
        };
        let mut request = vec![if self.is_compiler { b'b' } else { b'x' }];
        let file_bytes = if self.is_compiler { COMPILER_FILE_BYTES_MAX } else { 0 };
        for number in
            [self.ceiling.memory_bytes, self.ceiling.cpu_seconds, file_bytes, PROCESSES_MAX]
        {
            request.extend(number.to_le_bytes());
        }
        request.extend([
            u8::from(self.is_data),
            count(n_streams)?,
            u8::from(self.executable.is_some()),
            count(self.files.len())?,
            count(self.arguments.len())?,
            count(self.environment.len())?,
        ]);
        let names = self.files.iter().map(|(name, _)| *name);
        let texts = self.arguments.iter().chain(self.environment).map(String::as_str);
        for text in names.chain(texts) {
            request.extend(text.bytes().filter(|byte| *byte != 0));
            request.push(0);
        }
        let files = self.files.iter().map(|(_, fd)| fd.as_fd());
        Ok((request, self.executable.map(|fd| fd.as_fd()).into_iter().chain(files).collect()))
    }
}

/// What a compiler made, in memory: nobody can change it any more.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) files: Vec<(String, OwnedFd)>,
    pub(crate) n_bytes: usize,
}

impl Artifact {
    /// Copies files that a compiler left; `None` for too much.
    pub(crate) fn copy(outputs: Vec<(String, OwnedFd)>) -> Result<Option<Artifact>, Fault> {
        let mut artifact = Artifact { files: Vec::new(), n_bytes: 0 };
        for (name, fd) in outputs.into_iter().take(FILES_MAX) {
            let mut content = Vec::new();
            let room = u64::try_from(ARTIFACT_BYTES_MAX - artifact.n_bytes + 1).unwrap_or(u64::MAX);
            std::fs::File::from(fd)
                .take(room)
                .read_to_end(&mut content)
                .map_err(|error| io_fault("cannot read what a compiler made", &error))?;
            artifact.n_bytes += content.len();
            if artifact.n_bytes > ARTIFACT_BYTES_MAX {
                return Ok(None);
            }
            artifact.files.push((name, memory_file(&content)?));
        }
        Ok(Some(artifact))
    }
}

/// A file in memory that cannot be changed.
pub(crate) fn memory_file(content: &[u8]) -> Result<OwnedFd, Fault> {
    let make = || -> io::Result<OwnedFd> {
        let fd = memfd_create("program", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut rest = content;
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&fd, rest)?..];
        }
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals)?;
        Ok(fd)
    };
    make().map_err(|error| io_fault("cannot make a file in memory", &error))
}
