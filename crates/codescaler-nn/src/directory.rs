//! Where the files of a decoder are.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{LoadError, LoadErrorKind};

/// A Hugging Face directory: configuration, weights, tokenizer and template.
#[derive(Debug, Clone, Copy)]
pub enum Directory<'a> {
    /// On a disk.
    Disk(&'a Path),
    /// In memory, such as one that a program carries with it.
    Memory {
        /// What errors call it.
        name: &'a str,
        /// Names and contents of its files.
        files: &'static [(&'static str, &'static [u8])],
    },
}

impl<'a> From<&'a Path> for Directory<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Disk(path)
    }
}

impl<'a> From<&'a PathBuf> for Directory<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::Disk(path)
    }
}

impl Directory<'_> {
    /// What errors call it, or the file `name` in it, unless that is empty.
    pub(crate) fn path(self, name: &str) -> PathBuf {
        let dir = match self {
            Self::Disk(dir) => dir,
            Self::Memory { name, .. } => Path::new(name),
        };
        if name.is_empty() { dir.to_owned() } else { dir.join(name) }
    }

    pub(crate) fn fail(self, name: &str, kind: LoadErrorKind) -> LoadError {
        LoadError::at(&self.path(name), kind)
    }

    /// A file's bytes.
    pub(crate) fn read(self, name: &str) -> Result<Cow<'static, [u8]>, LoadError> {
        let bytes = match self {
            Self::Disk(dir) => std::fs::read(dir.join(name)).map(Cow::Owned),
            Self::Memory { .. } => {
                self.held(name).map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        };
        bytes.map_err(|source| self.fail(name, source.into()))
    }

    /// A file's text, which must be UTF-8.
    pub(crate) fn read_text(self, name: &str) -> Result<String, LoadError> {
        String::from_utf8(self.read(name)?.into_owned()).map_err(|error| {
            self.fail(name, io::Error::new(io::ErrorKind::InvalidData, error).into())
        })
    }

    /// [`Directory::read`], or `None` where there is no such file.
    pub(crate) fn find(self, name: &str) -> Result<Option<Cow<'static, [u8]>>, LoadError> {
        match self.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(LoadError { kind: LoadErrorKind::MissingFile, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file in memory.
    pub(crate) fn held(self, name: &str) -> Option<&'static [u8]> {
        match self {
            Self::Disk(_) => None,
            Self::Memory { files, .. } => {
                files.iter().find(|(own, _)| *own == name).map(|(_, bytes)| *bytes)
            }
        }
    }

    /// The names of its safetensors files, in order.
    pub(crate) fn weight_files(self) -> Result<Vec<String>, LoadError> {
        let mut names: Vec<String> = match self {
            Self::Memory { files, .. } => {
                files.iter().map(|(name, _)| (*name).to_owned()).collect()
            }
            Self::Disk(dir) => {
                let fail = |error: io::Error| LoadError::at(dir, LoadErrorKind::Io(error));
                let entries = std::fs::read_dir(dir).map_err(fail)?;
                let name = |entry: io::Result<std::fs::DirEntry>| {
                    Ok(entry.map_err(fail)?.file_name().to_string_lossy().into_owned())
                };
                entries.map(name).collect::<Result<_, LoadError>>()?
            }
        };
        names.retain(|name| name.ends_with(".safetensors"));
        names.sort();
        Ok(names)
    }
}
