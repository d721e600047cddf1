use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use serde::Deserialize;

use crate::directory::Directory;
use crate::error::{LoadError, LoadErrorKind};

/// Files that are read whole; those that are not there count as such.
const WHOLE: [&str; 5] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];
/// A tensor with at most this many bytes is read whole: every norm, bias and scalar head.
const WHOLE_BYTES_MAX: u64 = 1 << 20;
/// Of a larger one, this many blocks at even distances are read.
const BLOCKS: u64 = 64;
const BLOCK_BYTES: u64 = 4096;
/// A longer header is damage.
const HEADER_BYTES_MAX: u64 = 100 << 20;

/// One tensor of a safetensors header.
#[derive(Deserialize)]
struct Place {
    data_offsets: [u64; 2],
}

/// Hands `update` what tells this directory from others, for a hash: configuration, tokenizer,
/// template, the headers of all safetensors, small tensors whole and 256 KiB of each large one,
/// spread evenly.
///
/// Weights of many gigabytes are identified in a fraction of a second. Trained checkpoints differ
/// all over their tensors, so two of them never look alike; a change of single numbers inside a
/// large tensor can stay unseen. This names weights, it does not protect them.
///
/// # Errors
/// When a file is not readable or not a safetensors file.
pub fn identify<'a>(
    dir: impl Into<Directory<'a>>,
    update: &mut dyn FnMut(&[u8]),
) -> Result<(), LoadError> {
    let dir = dir.into();
    for name in WHOLE {
        match dir.find(name)? {
            Some(bytes) => {
                update(name.as_bytes());
                update(&(bytes.len() as u64).to_le_bytes());
                update(&bytes);
            }
            None => update(&[0]),
        }
    }
    for name in dir.weight_files()? {
        let done = match dir.held(&name) {
            Some(bytes) => identify_weights(Cursor::new(bytes), update),
            None => File::open(dir.path(&name))
                .map_err(LoadErrorKind::Io)
                .and_then(|file| identify_weights(file, update)),
        };
        done.map_err(|kind| dir.fail(&name, kind))?;
    }
    Ok(())
}

fn identify_weights(
    mut file: impl Read + Seek,
    update: &mut dyn FnMut(&[u8]),
) -> Result<(), LoadErrorKind> {
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(LoadErrorKind::Io)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES_MAX {
        let error = safetensors::SafeTensorError::HeaderTooLarge;
        return Err(LoadErrorKind::Safetensors(error));
    }
    let header = read(&mut file, 8, length)?;
    update(&length.to_le_bytes());
    update(&header);
    let tensors: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(LoadErrorKind::Json)?;
    for (_, tensor) in tensors.into_iter().filter(|(name, _)| name != "__metadata__") {
        let Place { data_offsets: [start, end] } =
            serde_json::from_value(tensor).map_err(LoadErrorKind::Json)?;
        let bytes = end.saturating_sub(start);
        let start = 8 + length + start;
        if bytes <= WHOLE_BYTES_MAX {
            update(&read(&mut file, start, bytes)?);
            continue;
        }
        for block in 0..BLOCKS {
            let at = start + block * (bytes - BLOCK_BYTES) / (BLOCKS - 1);
            update(&read(&mut file, at, BLOCK_BYTES)?);
        }
    }
    Ok(())
}

fn read(mut file: impl Read + Seek, start: u64, bytes: u64) -> Result<Vec<u8>, LoadErrorKind> {
    let mut out = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(LoadErrorKind::Io)?;
    file.take(bytes).read_to_end(&mut out).map_err(LoadErrorKind::Io)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn identity(dir: &Path) -> Vec<u8> {
        let mut all = Vec::new();
        identify(dir, &mut |bytes| all.extend_from_slice(bytes)).unwrap();
        all
    }

    #[test]
    fn a_changed_tensor_tokenizer_or_template_is_seen() {
        let fixture: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", "qwen2"].iter().collect();
        let dir =
            std::env::temp_dir().join(format!("codescaler-nn-{}-identity", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let names = ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"];
        for name in names {
            fs::copy(fixture.join(name), dir.join(name)).unwrap();
        }
        let whole = identity(&dir);
        assert!(whole == identity(&dir));
        for name in names {
            let bytes = fs::read(dir.join(name)).unwrap();
            let mut other = bytes.clone();
            *other.last_mut().unwrap() ^= 1;
            fs::write(dir.join(name), other).unwrap();
            assert!(whole != identity(&dir), "a change of {name} is unseen");
            fs::write(dir.join(name), bytes).unwrap();
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn large_tensors_are_seen_at_both_ends_and_between() {
        let path =
            std::env::temp_dir().join(format!("codescaler-nn-{}.safetensors", std::process::id()));
        let n = 3 << 20;
        let header =
            format!(r#"{{"a":{{"dtype":"BF16","shape":[{}],"data_offsets":[0,{n}]}}}}"#, n / 2);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        let start = bytes.len();
        bytes.resize(start + n, 0);
        let see = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let mut all = Vec::new();
            identify_weights(File::open(&path).unwrap(), &mut |part| all.extend_from_slice(part))
                .unwrap();
            all
        };
        let whole = see(&bytes);
        assert_eq!(whole.len(), start + 64 * 4096);
        for at in [0, n - 1] {
            bytes[start + at] = 1;
            assert!(see(&bytes) != whole, "a change at {at} is unseen");
            bytes[start + at] = 0;
        }
        fs::remove_file(&path).unwrap();
    }
}
