//! Event files of TensorBoard: numbers by step, one event after the other.
//!
//! An event is a protocol buffer (`tensorflow/core/util/event.proto`: wall time, step, and a
//! summary of tags with simple values) in a record of TFRecord: its length, the length's checksum,
//! the event, its checksum. The checksum is CRC-32C, turned and shifted by a constant so that a
//! record within a record has another one. Only what scalars need is written and read.

/// Begins a file.
pub fn file_version(wall_s: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_s);
    event.bytes(3, b"brain.Event:2");
    record(&event.0)
}

/// An event: what some numbers are at a step.
pub fn scalars(wall_s: f64, step: u64, values: &[(String, f32)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, number) in values {
        let mut value = Message::default();
        value.bytes(1, tag.as_bytes());
        value.key(2, 5);
        value.0.extend(number.to_le_bytes());
        summary.bytes(1, &value.0);
    }
    let mut event = Message::default();
    event.double(1, wall_s);
    event.key(2, 0);
    event.varint(step);
    event.bytes(5, &summary.0);
    record(&event.0)
}

/// The whole events of a file, in its order: the step of each (0 where none is named), and the byte
/// behind it. What is damaged or half written, and all that follows, is not among them.
pub fn events(file: &[u8]) -> Vec<(u64, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((event, end)) = next(file, at) {
        let Some(step) = step(event) else { break };
        found.push((step, end));
        at = end;
    }
    found
}

/// The event at a place, and the byte behind its record.
fn next(file: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let head = file.get(at..at + 12)?;
    let (length, sum) = head.split_at(8);
    let n = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let end = at.checked_add(n)?.checked_add(16)?;
    let (event, last) = file.get(at + 12..end)?.split_at(n);
    let whole = sum == masked(length).to_le_bytes() && last == masked(event).to_le_bytes();
    whole.then_some((event, end))
}

/// The step of an event. Fields of other numbers are passed over.
fn step(mut event: &[u8]) -> Option<u64> {
    let mut step = 0;
    while !event.is_empty() {
        let key = take_varint(&mut event)?;
        match key & 7 {
            0 => {
                let value = take_varint(&mut event)?;
                if key >> 3 == 2 {
                    step = value;
                }
            }
            1 => event = event.get(8..)?,
            2 => {
                let n = usize::try_from(take_varint(&mut event)?).ok()?;
                event = event.get(n..)?;
            }
            5 => event = event.get(4..)?,
            _ => return None,
        }
    }
    Some(step)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// A protocol buffer on its way.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked(event).to_le_bytes());
    record
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), bit by bit: events are short and few.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            let carry = if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
            (sum >> 1) ^ carry
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros, of ones, ascending; and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn an_event_byte_by_byte() {
        let event = scalars(1.5, 300, &[("loss".to_owned(), 0.25)]);
        let (inner, end) = next(&event, 0).unwrap();
        assert_eq!(end, event.len());
        let expected: &[u8] = &[
            9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // field 1, double: 1.5
            16, 0xac, 2, // field 2, varint: 300
            42, 13, 10, 11, 10, 4, b'l', b'o', b's', b's', 21, 0, 0, 0x80,
            0x3e, // 5: { 1: { 1, 2 } }
        ];
        assert_eq!(inner, expected);
    }

    #[test]
    fn whole_events_are_found_and_no_others() {
        let mut file = file_version(0.0);
        let mut ends = vec![(0, file.len())];
        for step in [1, 200, u64::MAX] {
            file.extend(scalars(0.0, step, &[("ä".to_owned(), -1.0), ("b".to_owned(), 2.0)]));
            ends.push((step, file.len()));
        }
        assert_eq!(events(&file), ends);
        for cut in 0..file.len() {
            let whole = ends.iter().filter(|(_, end)| *end <= cut).count();
            assert_eq!(events(&file[..cut]), ends[..whole], "cut at {cut}");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 4;
            let whole = ends.iter().filter(|(_, end)| *end <= at).count();
            assert_eq!(events(&damaged), ends[..whole], "damaged at {at}");
        }
    }
}
