//! What every process that forks on request does: hear, tell who was born, report a death, lock in.

use core::{mem, ptr, slice};

use crate::sys::{
    _exit, Fd, FilterProgram, IoVec, Limit, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, MessageHeader, POLLIN,
    PR_SET_SECCOMP, PollFd, SCM_RIGHTS, SIGKILL, SOL_SOCKET, SYS_CLOSE_RANGE,
    SYS_PIDFD_SEND_SIGNAL, Usage, capset, close, getpid, getrlimit, poll, prctl, recvmsg, sendmsg,
    setrlimit, syscall, wait4,
};

/// Most descriptors that come with a request.
pub(crate) const FDS_MAX: usize = 80;

/// Room for descriptors that come with a message.
#[repr(C, align(8))]
pub(crate) struct Rights {
    length: usize,
    level: i32,
    kind: i32,
    fds: [Fd; FDS_MAX],
}

impl Rights {
    pub(crate) fn none() -> Rights {
        Rights { length: 0, level: 0, kind: 0, fds: [-1; FDS_MAX] }
    }

    pub(crate) fn fds(&self) -> &[Fd] {
        &self.fds[..(self.length.max(16) - 16) / 4]
    }
}

/// How a child ended.
#[repr(C, packed)]
struct Report {
    kind: u8,
    status: i32,
    cpu_us: u64,
    peak_memory_kib: u64,
}

/// Waits for a request; its length. Ends with the socket.
pub(crate) unsafe fn receive(control: Fd, request: &mut [u8], rights: &mut Rights) -> usize {
    *rights = Rights::none();
    let mut vector = IoVec { base: request.as_mut_ptr().cast(), length: request.len() };
    let mut header = message(&mut vector, rights, mem::size_of::<Rights>());
    // SAFETY: the header points to live buffers of the lengths it names.
    let n_bytes = unsafe { recvmsg(control, &mut header, MSG_CMSG_CLOEXEC) };
    if n_bytes <= 0 {
        // SAFETY: this ends the process.
        unsafe { _exit(0) }
    }
    if header.control_length < 16 {
        *rights = Rights::none();
    }
    n_bytes as usize
}

fn message(vector: &mut IoVec, rights: &mut Rights, rights_bytes: usize) -> MessageHeader {
    MessageHeader {
        name: ptr::null_mut(),
        name_length: 0,
        vector,
        n_vectors: 1,
        control: ptr::from_mut(rights).cast(),
        control_length: rights_bytes,
        flags: 0,
    }
}

/// Sends a message with a descriptor.
pub(crate) unsafe fn hand_over(control: Fd, text: &mut [u8], fd: Fd) {
    let mut rights = Rights::none();
    (rights.length, rights.level, rights.kind) = (20, SOL_SOCKET, SCM_RIGHTS);
    rights.fds[0] = fd;
    let mut vector = IoVec { base: text.as_mut_ptr().cast(), length: text.len() };
    // Room for one descriptor, aligned.
    let header = message(&mut vector, &mut rights, 24);
    // SAFETY: the header points to live buffers of the lengths it names.
    unsafe { tell(control, &header) };
}

/// Sends a message, however short of memory we are: a control group counts the kernel's, too, and a
/// message that is lost would be waited for. Ends the process if that does not help.
unsafe fn tell(control: Fd, header: &MessageHeader) {
    const PATIENCE_MS: i32 = 2000;
    for _ in 0..PATIENCE_MS {
        // SAFETY: the header points to live buffers of the lengths it names.
        unsafe {
            if sendmsg(control, header, MSG_NOSIGNAL) >= 0 {
                return;
            }
            poll(ptr::null_mut(), 0, 1);
        }
    }
    // SAFETY: this ends the process.
    unsafe { _exit(1) }
}

/// Sends a message without a descriptor.
unsafe fn say(control: Fd, text: &mut [u8]) {
    let mut vector = IoVec { base: text.as_mut_ptr().cast(), length: text.len() };
    let mut rights = Rights::none();
    let mut header = message(&mut vector, &mut rights, 0);
    header.control = ptr::null_mut();
    // SAFETY: the header points to live buffers of the lengths it names.
    unsafe { tell(control, &header) };
}

/// Says that there is no child, and why.
pub(crate) unsafe fn refuse(control: Fd, error: i32) {
    let mut text = *b"Ea program cannot be started: error 000";
    let n = text.len();
    for (place, digit) in (n - 3..n).zip([100, 10, 1]) {
        text[place] += ((error / digit) % 10) as u8;
    }
    // SAFETY: sending is harmless to memory.
    unsafe { say(control, &mut text) };
}

/// Hands a child's descriptor to the supervisor, and waits for its death; what it used.
pub(crate) unsafe fn follow(control: Fd, pid: i32, handle: Fd) -> (i32, Usage) {
    // SAFETY: every call gets pointers to live values of the types that the kernel expects.
    unsafe {
        hand_over(control, &mut [b'S'], handle);
        loop {
            let mut fds = [
                PollFd { fd: handle, events: POLLIN, revents: 0 },
                PollFd { fd: control, events: POLLIN, revents: 0 },
            ];
            poll(fds.as_mut_ptr(), 2, -1);
            if fds[0].revents != 0 {
                break;
            }
            if fds[1].revents != 0 {
                // Nothing is asked of us before the child has died: the supervisor is gone.
                syscall(SYS_PIDFD_SEND_SIGNAL, handle, SIGKILL, 0, 0);
                _exit(0);
            }
        }
        let (mut status, mut usage) = (0, Usage::default());
        wait4(pid, &mut status, 0, &mut usage);
        close(handle);
        (status, usage)
    }
}

/// Reports a death.
pub(crate) unsafe fn report(control: Fd, status: i32, usage: &Usage) {
    let us = |time: [i64; 2]| (time[0] * 1_000_000 + time[1]) as u64;
    let mut report = Report {
        kind: b'X',
        status,
        cpu_us: us(usage.user) + us(usage.system),
        peak_memory_kib: usage.max_resident_kib as u64,
    };
    // SAFETY: the report is plain bytes without gaps.
    unsafe {
        let bytes = ptr::from_mut(&mut report).cast::<u8>();
        say(control, slice::from_raw_parts_mut(bytes, mem::size_of::<Report>()));
    }
}

/// Ends the process unless what must hold does.
pub(crate) unsafe fn demand(holds: bool) {
    if !holds {
        // SAFETY: this ends the process.
        unsafe { _exit(1) };
    }
}

pub(crate) unsafe fn close_all(from: Fd, n: Fd) {
    // SAFETY: closing is harmless to memory.
    unsafe {
        if syscall(SYS_CLOSE_RANGE, from, i32::MAX, 0) != 0 {
            for fd in from..n {
                close(fd);
            }
        }
    }
}

pub(crate) unsafe fn drop_capabilities() -> bool {
    let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: version 3 of the call reads two words and six.
    unsafe { capset(header.as_ptr(), none.as_ptr()) == 0 }
}

/// Lowers a limit for good; one that is lower already stays.
pub(crate) unsafe fn limit(which: i32, value: u64) -> bool {
    // SAFETY: both calls get a pointer to a live limit.
    unsafe {
        let mut now = Limit { soft: 0, hard: 0 };
        if getrlimit(which, &mut now) != 0 {
            return false;
        }
        let value = value.min(now.hard);
        setrlimit(which, &Limit { soft: value, hard: value }) == 0
    }
}

/// Stands for the process's own id in a filter.
const PID_MARK: i32 = 0xc0de_5ca1_u32 as i32;

/// Puts a filter in force, with the process's own id in it.
pub(crate) unsafe fn filter(filter: *mut u8, n_bytes: usize) -> bool {
    // SAFETY: the filter is live and as long as it says; an instruction's constant is its last word.
    unsafe {
        let me = getpid();
        for at in (4..n_bytes).step_by(8) {
            let word = filter.add(at).cast::<i32>();
            if word.read_unaligned() == PID_MARK {
                word.write_unaligned(me);
            }
        }
        let program = FilterProgram { length: (n_bytes / 8) as u16, filter };
        prctl(PR_SET_SECCOMP, 2_i64, ptr::from_ref(&program), 0_i64, 0_i64) == 0
    }
}
