//! Decompression by content: zstd and gzip are recognised by their first bytes, never by a name.
//!
//! Both decoders are pure Rust.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// The contents of `input`: decompressed where it starts with the magic bytes of a zstd or gzip
/// stream, else as they are.
///
/// Files of several frames or members (as `cat a.zst b.zst` and parallel compressors make them)
/// are read to the end. A zstd frame may ask for a window of 128 MiB at most, the limit of the
/// reference tool without `--long`.
///
/// # Errors
/// When `input` cannot be read, or its first zstd frame has a damaged header. Damage further on
/// and truncation are errors of the returned reader.
pub fn decompressed(mut input: impl BufRead + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut magic = [0; 4];
    let mut filled = 0;
    while filled < magic.len() {
        match input.read(&mut magic[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let whole = io::Cursor::new(magic).take(filled as u64).chain(input);
    Ok(if is_zstd(&magic[..filled]) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, Zstd::new(whole)?))
    } else if magic[..filled].starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

const BUFFER_BYTES: usize = 1 << 16;

/// Whether the bytes start a frame, or a frame to skip, as parallel compressors put in front.
fn is_zstd(magic: &[u8]) -> bool {
    matches!(magic, [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// All frames of a zstd stream, one after the other, their checksums verified.
struct Zstd<R: BufRead> {
    input: R,
    decoder: FrameDecoder,
    /// Whether `decoder` is inside a frame.
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(input: R) -> io::Result<Zstd<R>> {
        let mut zstd = Zstd { input, decoder: FrameDecoder::new(), in_frame: false };
        zstd.enter_frame()?;
        Ok(zstd)
    }

    /// Reads the header of the next frame that has contents; at the end of the input there is
    /// none.
    fn enter_frame(&mut self) -> io::Result<()> {
        while !self.in_frame && !self.input.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.input) {
                Ok(()) => self.in_frame = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut frame = (&mut self.input).take(length.into());
                    if io::copy(&mut frame, &mut io::sink())? < length.into() {
                        return Err(damaged("the input ends inside a frame"));
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(())
    }

    fn leave_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let stored = self.decoder.get_checksum_from_data();
        if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
            return Err(damaged("the checksum of a frame does not match its contents"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.in_frame && !buffer.is_empty() {
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if self.decoder.is_finished() {
                self.leave_frame()?;
                self.enter_frame()?;
            } else {
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(damaged)?;
            }
        }
        Ok(0)
    }
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decompressed(Cursor::new(bytes))?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[track_caller]
    fn check(bytes: Vec<u8>, text: &[u8]) {
        assert_eq!(read(bytes).unwrap(), text);
    }

    #[test]
    fn every_kind_is_read() {
        check(Vec::new(), b"");
        check(b"{}".to_vec(), b"{}");
        check(b"no magic at all\n".to_vec(), b"no magic at all\n");
        check(zstd(b""), b"");
        check(zstd(b"one\n"), b"one\n");
        check([zstd(b"one\n"), zstd(b"two\n")].concat(), b"one\ntwo\n");
        check(gzip(b"one\n"), b"one\n");
        check([gzip(b"one\n"), gzip(b"two\n")].concat(), b"one\ntwo\n");
        let skip = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        check([&skip[..], &zstd(b"one")].concat(), b"one");
        check([&zstd(b"one"), &skip[..]].concat(), b"one");
    }

    #[test]
    fn a_frame_written_by_the_reference_tool_is_read() {
        // `printf 'abcabcabcabc\n' | zstd -19`, with a checksum.
        check(REFERENCE.to_vec(), b"abcabcabcabc\n");
    }

    const REFERENCE: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x68, 0x69, 0x00, 0x00, 0x61, 0x62, 0x63, 0x61, 0x62, 0x63,
        0x61, 0x62, 0x63, 0x61, 0x62, 0x63, 0x0a, 0x9a, 0xc8, 0x1e, 0xe9,
    ];

    #[test]
    fn damage_is_an_error() {
        let text = b"abcdefgh".repeat(1000);
        for whole in [zstd(&text), gzip(&text)] {
            for cut in [5, whole.len() / 2, whole.len() - 1] {
                assert!(read(whole[..cut].to_vec()).is_err(), "cut at {cut}");
            }
        }
        assert!(read([zstd(b"one"), b"junk".to_vec()].concat()).is_err());
        let mut flipped = REFERENCE.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(read(flipped).is_err());
    }

    proptest! {
        #[test]
        fn contents_survive(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..4)) {
            let text = parts.concat();
            let frames: Vec<u8> = parts.iter().flat_map(|part| zstd(part)).collect();
            prop_assert_eq!(&read(frames).unwrap(), &text);
            let members: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
            prop_assert_eq!(&read(members).unwrap(), &text);
        }
    }
}
