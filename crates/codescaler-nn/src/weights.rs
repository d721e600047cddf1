use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::directory::Directory;
use crate::error::{LoadError, LoadErrorKind};
use crate::kernel::to_bf16;

/// The file of a directory that holds its weights, unless they are in shards.
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// The tensors of one directory, mapped into memory, each taken exactly once.
pub(crate) struct Weights {
    dir: PathBuf,
    files: Vec<(PathBuf, Bytes)>,
    tensors: BTreeMap<String, Entry>,
    /// Behind a lock only so that a decoder can be shared between threads.
    taken: Mutex<BTreeSet<String>>,
}

/// The bytes of one file.
enum Bytes {
    Mapped(Mmap),
    Held(&'static [u8]),
    Owned(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// The numbers of one tensor, still in the file's type.
#[derive(Clone, Copy)]
pub(crate) enum Numbers<'a> {
    F32(&'a [u8]),
    Bf16(&'a [u8]),
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Maps the one file of weights, or the shards that its index names.
    pub(crate) fn open<'a>(dir: impl Into<Directory<'a>>) -> Result<Self, LoadError> {
        const INDEX: &str = "model.safetensors.index.json";
        let dir = dir.into();
        let names: BTreeSet<String> = match dir.find(INDEX)? {
            Some(bytes) => {
                let index: Result<Index, _> = serde_json::from_slice(&bytes);
                let index = index.map_err(|source| dir.fail(INDEX, LoadErrorKind::Json(source)))?;
                index.weight_map.into_values().collect()
            }
            None => BTreeSet::from([WEIGHTS.to_owned()]),
        };
        let mut weights = Self::empty(&dir.path(""));
        for name in names {
            let path = dir.path(&name);
            let bytes = match dir.held(&name) {
                Some(bytes) => Bytes::Held(bytes),
                None => map(&path)?,
            };
            weights.add(path, bytes)?;
        }
        Ok(weights)
    }

    /// Maps one file.
    pub(crate) fn open_file(path: &Path) -> Result<Self, LoadError> {
        let mut weights = Self::empty(path);
        weights.add(path.to_owned(), map(path)?)?;
        Ok(weights)
    }

    /// The bytes of a file that is nowhere but in memory; errors call it `name`.
    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, LoadError> {
        let mut weights = Self::empty(Path::new(name));
        weights.add(PathBuf::from(name), Bytes::Owned(bytes))?;
        Ok(weights)
    }

    fn empty(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            files: Vec::new(),
            tensors: BTreeMap::new(),
            taken: Mutex::default(),
        }
    }

    /// What the first file's header says under `key`, beside its tensors.
    pub(crate) fn note(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.files.first()?.1).ok()?;
        header.metadata().as_ref()?.get(key).cloned()
    }

    fn add(&mut self, path: PathBuf, bytes: Bytes) -> Result<(), LoadError> {
        let fail = |kind| LoadError::at(&path, kind);
        let parsed = SafeTensors::deserialize(&bytes);
        let parsed = parsed.map_err(|source| fail(LoadErrorKind::Safetensors(source)))?;
        for (name, view) in parsed.tensors() {
            let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
            let entry = Entry {
                file: self.files.len(),
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                start,
                end: start + view.data().len(),
            };
            if self.tensors.insert(name.clone(), entry).is_some() {
                return Err(fail(LoadErrorKind::DuplicateTensor { name }));
            }
        }
        self.files.push((path, bytes));
        Ok(())
    }

    /// Whether a tensor of this name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The numbers of `name`, which must have exactly `shape`; marks it as used.
    pub(crate) fn take(&self, name: &str, shape: &[usize]) -> Result<Numbers<'_>, LoadError> {
        let Some(entry) = self.tensors.get(name) else {
            return Err(self.fail(LoadErrorKind::MissingTensor { name: name.to_owned() }));
        };
        let (path, map) = &self.files[entry.file];
        if entry.shape != shape {
            let kind = LoadErrorKind::Shape {
                name: name.to_owned(),
                found: entry.shape.clone(),
                expected: shape.to_vec(),
            };
            return Err(LoadError::at(path, kind));
        }
        let fresh = self.taken().insert(name.to_owned());
        assert!(fresh, "tensor {name} is taken twice");
        let bytes = &map[entry.start..entry.end];
        let numbers = if entry.dtype == Dtype::F32 {
            Numbers::F32(bytes)
        } else if entry.dtype == Dtype::BF16 {
            Numbers::Bf16(bytes)
        } else {
            let kind =
                LoadErrorKind::Dtype { name: name.to_owned(), found: format!("{:?}", entry.dtype) };
            return Err(LoadError::at(path, kind));
        };
        if !numbers.all_finite() {
            return Err(LoadError::at(path, LoadErrorKind::NotFinite { name: name.to_owned() }));
        }
        Ok(numbers)
    }

    /// A tensor that was taken before, for those that stay in the mapped file.
    pub(crate) fn again(&self, name: &str) -> Numbers<'_> {
        let entry = &self.tensors[name];
        let bytes = &self.files[entry.file].1[entry.start..entry.end];
        if entry.dtype == Dtype::F32 { Numbers::F32(bytes) } else { Numbers::Bf16(bytes) }
    }

    /// [`Weights::take`], widened to f32.
    pub(crate) fn take_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let numbers = self.take(name, shape)?;
        let mut out = vec![0.0; numbers.len()];
        numbers.read(0, &mut out);
        Ok(out)
    }

    /// Marks a tensor as known and not needed.
    pub(crate) fn ignore(&self, name: &str) {
        self.taken().insert(name.to_owned());
    }

    /// Lets go of the memory of the tensors whose names begin with `prefix`: what was read of them
    /// is no longer needed. Reading on is possible and fetches them from the file again.
    pub(crate) fn release(&self, prefix: &str) {
        let tensors = self.tensors.range(prefix.to_owned()..);
        for (_, entry) in tensors.take_while(|(name, _)| name.starts_with(prefix)) {
            if let Bytes::Mapped(map) = &self.files[entry.file].1 {
                forget(map, entry.start, entry.end - entry.start);
            }
        }
    }

    /// Fails when a tensor was never taken.
    pub(crate) fn finish(&self) -> Result<(), LoadError> {
        let taken = self.taken();
        let mut unused = self.tensors.keys().filter(|name| !taken.contains(*name));
        match unused.next() {
            None => Ok(()),
            Some(first) => {
                let kind = LoadErrorKind::UnusedTensors {
                    first: first.clone(),
                    count: 1 + unused.count(),
                };
                Err(self.fail(kind))
            }
        }
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.taken.lock().expect("nothing panics while it is held")
    }

    fn fail(&self, kind: LoadErrorKind) -> LoadError {
        LoadError::at(&self.dir, kind)
    }
}

#[expect(unsafe_code, reason = "mapping a file cannot be checked by the compiler")]
fn map(path: &Path) -> Result<Bytes, LoadError> {
    let fail = |source: std::io::Error| LoadError::at(path, source.into());
    let file = File::open(path).map_err(fail)?;
    // SAFETY: the mapping is private and read-only. Weights are read-only inputs: a process that
    // rewrites the file under us could change numbers while they are copied, as with any reader;
    // all bit patterns are valid for the byte type, so nothing worse follows from a change.
    unsafe { Mmap::map(&file) }.map(Bytes::Mapped).map_err(fail)
}

/// Without effect on what is read; where the system refuses, memory is kept.
#[cfg(unix)]
#[expect(unsafe_code, reason = "advice of this kind can lose what was written to private memory")]
fn forget(map: &Mmap, start: usize, len: usize) {
    // SAFETY: the mapping is of a file and read-only, so nothing was written that could be lost:
    // the next read of these pages finds the file's bytes again.
    let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, len) };
}

#[cfg(not(unix))]
fn forget(_: &Mmap, _: usize, _: usize) {}

impl Numbers<'_> {
    /// How many numbers there are.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::F32(bytes) => bytes.len() / 4,
            Self::Bf16(bytes) => bytes.len() / 2,
        }
    }

    /// The `len` numbers from index `start` on.
    pub(crate) fn slice(self, start: usize, len: usize) -> Self {
        match self {
            Self::F32(bytes) => Self::F32(&bytes[4 * start..4 * (start + len)]),
            Self::Bf16(bytes) => Self::Bf16(&bytes[2 * start..2 * (start + len)]),
        }
    }

    /// Copies the first numbers into `out`, rounded to bfloat16 where they are not.
    #[inline(always)]
    pub(crate) fn read_bf16(self, out: &mut [u16]) {
        match self {
            Self::F32(bytes) => {
                for (x, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *x = to_bf16(f32::from_le_bytes(*b));
                }
            }
            Self::Bf16(bytes) => {
                for (x, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *x = u16::from_le_bytes(*b);
                }
            }
        }
    }

    /// Copies the numbers from index `start` on into `out`, widened to f32.
    #[inline(always)]
    pub(crate) fn read(self, start: usize, out: &mut [f32]) {
        match self {
            Self::F32(bytes) => {
                let bytes = &bytes[4 * start..4 * (start + out.len())];
                for (x, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *x = f32::from_le_bytes(*b);
                }
            }
            Self::Bf16(bytes) => {
                let bytes = &bytes[2 * start..2 * (start + out.len())];
                for (x, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *x = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
                }
            }
        }
    }

    /// An exponent of all ones is what infinities and not-a-numbers have.
    fn all_finite(self) -> bool {
        match self {
            Self::F32(bytes) => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .fold(true, |ok, b| ok & (u32::from_le_bytes(*b) & 0x7f80_0000 != 0x7f80_0000)),
            Self::Bf16(bytes) => bytes
                .as_chunks::<2>()
                .0
                .iter()
                .fold(true, |ok, b| ok & (u16::from_le_bytes(*b) & 0x7f80 != 0x7f80)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;

    use super::*;
    use crate::reward::{Options, RewardModel};

    /// Loads a copy of a fixture after `damage` has changed one of its files.
    #[track_caller]
    fn check(name: &str, file: &str, damage: impl Fn(Vec<u8>) -> Vec<u8>, message: &str) {
        let fixture: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", "qwen2"].iter().collect();
        let dir = std::env::temp_dir().join(format!("codescaler-nn-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        for entry in fs::read_dir(fixture).unwrap() {
            let entry = entry.unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            let bytes = if entry.file_name() == file { damage(bytes) } else { bytes };
            fs::write(dir.join(entry.file_name()), bytes).unwrap();
        }
        let error = RewardModel::load(&dir, &Options::default()).err().expect("an error");
        let found = error.source().unwrap().to_string();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found, message);
    }

    /// Replaces text of the same length, so that a safetensors header stays valid.
    fn replace(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
    }

    #[test]
    fn damaged_directories_are_named() {
        let weights = "model.safetensors";
        check(
            "renamed",
            weights,
            |b| replace(b, "layers.1.mlp.up_proj", "layers.9.mlp.up_proj"),
            "tensor `model.layers.1.mlp.up_proj.weight` is missing",
        );
        check(
            "fewer layers",
            "config.json",
            |b| replace(b, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
            "tensor `model.layers.1.input_layernorm.weight` has no place in this decoder (12 such in all)",
        );
        check(
            "wider",
            "config.json",
            |b| replace(b, "\"intermediate_size\": 96", "\"intermediate_size\": 80"),
            "tensor `model.layers.0.mlp.gate_proj.weight` has shape [96, 64], but config.json asks for [80, 64]",
        );
        check(
            "smaller vocabulary",
            "config.json",
            |b| replace(b, "\"vocab_size\": 400", "\"vocab_size\": 300"),
            "tensor `model.embed_tokens.weight` has shape [400, 64], but config.json asks for [300, 64]",
        );
        let not_finite = |mut b: Vec<u8>| {
            let end = b.len();
            b[end - 2..].copy_from_slice(&[0x80, 0x7f]);
            b
        };
        check(
            "infinite",
            weights,
            not_finite,
            "tensor `score.weight` holds a value that is not finite",
        );
        check("cut off", weights, |b| b[..9000].to_vec(), "not a whole safetensors file");
        check("no JSON", "config.json", |_| b"{".to_vec(), "not the expected JSON");
        check(
            "no template",
            "chat_template.jinja",
            |_| b"{% if %}".to_vec(),
            "the chat template is not valid: syntax error: unexpected end of block (in chat template:1)",
        );
    }
}
