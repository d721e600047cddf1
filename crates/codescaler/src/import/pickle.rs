//! A pickle that holds one string and nothing else.
//!
//! A pickle is a program for a small machine that can call anything. This reader knows the
//! instructions that make one string and refuses every other before it does anything.

/// Why a pickle is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PickleError {
    #[error("the pickle ends early")]
    Short,
    #[error("the pickle is not one string: instruction {opcode:#04x} at byte {at} is refused")]
    Instruction { opcode: u8, at: usize },
    #[error("the pickle's string is not UTF-8")]
    NotUtf8,
    #[error("there is something after the pickle's end")]
    Trailing,
}

/// The string that `pickle.dumps(text)` wrote, in any protocol from 1 to 5.
///
/// # Errors
/// Anything but one string: see [`PickleError`].
pub(super) fn text(mut pickle: Vec<u8>) -> Result<String, PickleError> {
    let mut at = 0;
    let mut string = None;
    loop {
        let opcode = *pickle.get(at).ok_or(PickleError::Short)?;
        let refused = PickleError::Instruction { opcode, at };
        at += 1;
        let length_bytes = match opcode {
            // The end: exactly one string, and nothing behind it.
            b'.' => {
                let (start, end) = string.ok_or(refused)?;
                if at != pickle.len() {
                    return Err(PickleError::Trailing);
                }
                pickle.truncate(end);
                pickle.drain(..start);
                return String::from_utf8(pickle).map_err(|_| PickleError::NotUtf8);
            }
            // Protocol, frame, and the three ways to remember the string under a number.
            0x80 if at == 1 => {
                at += 1;
                continue;
            }
            0x95 => {
                at += 8;
                continue;
            }
            0x94 if string.is_some() => continue,
            b'q' if string.is_some() => {
                at += 1;
                continue;
            }
            b'r' if string.is_some() => {
                at += 4;
                continue;
            }
            // A string with its length in 1, 4 or 8 bytes.
            0x8c if string.is_none() => 1,
            b'X' if string.is_none() => 4,
            0x8d if string.is_none() => 8,
            _ => return Err(refused),
        };
        let mut length = [0; 8];
        let bytes = pickle.get(at..at + length_bytes).ok_or(PickleError::Short)?;
        length[..length_bytes].copy_from_slice(bytes);
        let start = at + length_bytes;
        let length = usize::try_from(u64::from_le_bytes(length)).ok();
        let end = length.and_then(|length| start.checked_add(length));
        at = end.filter(|end| *end <= pickle.len()).ok_or(PickleError::Short)?;
        string = Some((start, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pickle: &[u8], result: Result<&str, PickleError>) {
        assert_eq!(text(pickle.to_vec()), result.map(str::to_owned));
    }

    #[test]
    fn strings_of_every_protocol_are_read() {
        check(b"X\x02\x00\x00\x00hiq\x00.", Ok("hi"));
        check(b"\x80\x03X\x02\x00\x00\x00hiq\x00.", Ok("hi"));
        check(b"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00\x8c\x02hi\x94.", Ok("hi"));
        check(b"\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi\x94.", Ok("hi"));
        check(b"\x80\x04\x8c\x00.", Ok(""));
    }

    #[test]
    fn everything_else_is_refused() {
        // `os.system("id")` in protocols 0 and 4, a list, a number, two strings, no string.
        check(b"cos\nsystem\n(S'id'\ntR.", Err(PickleError::Instruction { opcode: b'c', at: 0 }));
        check(
            b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
            Err(PickleError::Instruction { opcode: 0x8c, at: 7 }),
        );
        check(b"\x80\x04]\x94.", Err(PickleError::Instruction { opcode: b']', at: 2 }));
        check(b"\x80\x04K\x01.", Err(PickleError::Instruction { opcode: b'K', at: 2 }));
        check(b"\x80\x04.", Err(PickleError::Instruction { opcode: b'.', at: 2 }));
        check(b"\x80\x04\x8c\x02hi\x94.X", Err(PickleError::Trailing));
        check(b"\x80\x04\x8c\x05hi", Err(PickleError::Short));
        check(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffhi", Err(PickleError::Short));
        check(b"", Err(PickleError::Short));
        check(b"\x8c\x01\xff.", Err(PickleError::NotUtf8));
        check(b"\x80\x04\x8c\x02hi\x94", Err(PickleError::Short));
    }
}
