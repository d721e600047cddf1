//! Bytes between us and a process: framed messages, captured output, descriptors.
//!
//! Every descriptor on this side is non-blocking: a program can neither stall us by not reading
//! nor by not writing.

use std::{io, os::fd::OwnedFd};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::{Errno, read, write},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    pipe::{PipeFlags, pipe_with},
};

/// A message on a program's channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it says; see `python/zygote.py`.
    pub(crate) kind: u8,
    /// The request it answers.
    pub(crate) number: u32,
    /// Its content.
    pub(crate) payload: Vec<u8>,
}

/// Length, kind, number.
const HEADER_BYTES: usize = 9;

/// A frame from a program is never longer than a value may be, and a name and a message.
pub(crate) const PAYLOAD_BYTES_MAX: usize = VALUE_BYTES_MAX + (1 << 14);
/// Values of more bytes are refused; `python/zygote.py` has the same number.
pub(crate) const VALUE_BYTES_MAX: usize = 32 << 20;

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Nothing is there now.
    Waiting,
    /// The other end is closed.
    Closed,
}

/// Our end of a program's channel.
pub(crate) struct Channel {
    fd: OwnedFd,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    n_sent: usize,
}

impl Channel {
    /// A channel, and the end for the program.
    pub(crate) fn new() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        set_nonblocking(&ours)?;
        let channel = Channel { fd: ours, incoming: Vec::new(), outgoing: Vec::new(), n_sent: 0 };
        Ok((channel, theirs))
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Queues a frame and sends what can be sent now.
    pub(crate) fn send(&mut self, kind: u8, number: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.outgoing.extend(length.to_le_bytes());
        self.outgoing.push(kind);
        self.outgoing.extend(number.to_le_bytes());
        self.outgoing.extend(payload);
        self.flush()
    }

    /// Whether something waits to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.n_sent < self.outgoing.len()
    }

    /// Sends what can be sent now. A program that does not listen any more is no error: its
    /// silence is found when its answer is waited for.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.is_sending() {
            use rustix::net::{SendFlags, send};
            match send(&self.fd, &self.outgoing[self.n_sent..], SendFlags::NOSIGNAL) {
                Ok(n) => self.n_sent += n,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.outgoing.clear();
        self.n_sent = 0;
        Ok(())
    }

    /// Reads what is there, up to one frame too many.
    pub(crate) fn fill(&mut self) -> io::Result<Filled> {
        let mut buffer = [0; 1 << 14];
        while self.incoming.len() <= PAYLOAD_BYTES_MAX + HEADER_BYTES {
            match read(&self.fd, &mut buffer) {
                Ok(0) => return Ok(Filled::Closed),
                Ok(n) => {
                    self.incoming.extend(&buffer[..n]);
                    if n < buffer.len() {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(Filled::Closed),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Filled::Waiting)
    }

    /// The next whole frame that was read; an error for one that is too long.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        let Some((header, rest)) = self.incoming.split_at_checked(HEADER_BYTES) else {
            return Ok(None);
        };
        let word = |at: usize| {
            u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes were taken"))
        };
        let length = usize::try_from(word(0)).expect("32 bits fit");
        if length > PAYLOAD_BYTES_MAX {
            return Err(FrameTooLong);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = Frame { kind: header[4], number: word(5), payload: payload.to_vec() };
        self.incoming.drain(..HEADER_BYTES + length);
        Ok(Some(frame))
    }
}

/// A frame that announces more than a value may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FrameTooLong;

/// Captures what a program writes to a pipe.
pub(crate) struct Tap {
    fd: Option<OwnedFd>,
    head: Vec<u8>,
    n_bytes: usize,
    bytes_max: usize,
    /// The last bytes of what does not fit.
    tail: Vec<u8>,
}

/// How much of the end of a long stream is kept.
const TAIL_BYTES: usize = 4096;

impl Tap {
    /// A tap that keeps the first `bytes_max` bytes and the end, and the end for the program.
    pub(crate) fn new(bytes_max: usize) -> io::Result<(Tap, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        set_nonblocking(&ours)?;
        let tap = Tap { fd: Some(ours), head: Vec::new(), n_bytes: 0, bytes_max, tail: Vec::new() };
        Ok((tap, theirs))
    }

    /// A tap on nothing.
    pub(crate) fn closed() -> Tap {
        Tap { fd: None, head: Vec::new(), n_bytes: 0, bytes_max: 0, tail: Vec::new() }
    }

    /// The descriptor to wait on, until the stream has ended.
    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    /// Reads what is there, at most a few times what is kept: an endless writer must not hold us.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1 << 16];
        for _ in 0..64 {
            let Some(fd) = &self.fd else { return Ok(()) };
            match read(fd, &mut buffer) {
                Ok(0) => self.fd = None,
                Ok(n) => {
                    self.keep(&buffer[..n]);
                    if n < 4096 {
                        return Ok(());
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len();
        let room = self.bytes_max.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend(&bytes[..room]);
        self.tail.extend(&bytes[room..]);
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
    }

    /// Whether more was written than is kept.
    pub(crate) fn is_over(&self) -> bool {
        self.n_bytes > self.bytes_max
    }

    /// Starts again with nothing kept.
    pub(crate) fn forget(&mut self) {
        self.n_bytes = 0;
        self.head.clear();
        self.tail.clear();
    }

    /// What was written, if all of it was kept.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.head
    }

    /// The last line that is not blank, shortened, for a person.
    pub(crate) fn last_line(&self) -> String {
        let end = if self.tail.is_empty() { &self.head } else { &self.tail };
        let text = String::from_utf8_lossy(&end[end.len().saturating_sub(TAIL_BYTES)..]);
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        line.chars().take(400).collect()
    }
}

/// Feeds a program's standard input.
pub(crate) struct Feed<'a> {
    fd: Option<OwnedFd>,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    /// A feed of all of `bytes`, and the end for the program.
    pub(crate) fn new(bytes: &'a [u8]) -> io::Result<(Feed<'a>, OwnedFd)> {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        set_nonblocking(&ours)?;
        let mut feed = Feed { fd: Some(ours), rest: bytes };
        feed.write()?;
        Ok((feed, theirs))
    }

    /// The descriptor to wait on, while something is left.
    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    /// Writes what can be written now; the end is closed after the last byte, and when the
    /// program reads no more.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        while let Some(fd) = &self.fd {
            if self.rest.is_empty() {
                self.fd = None;
                break;
            }
            match write(fd, self.rest) {
                Ok(n) => self.rest = &self.rest[n..],
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) => self.fd = None,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}
