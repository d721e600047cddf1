//! The native part of a zygote: the loop that forks, and the last door before a program.
//!
//! This file is compiled by the build script into a shared object of its own, without the standard
//! library, and loaded by the interpreter (`confine.py`). Forking from here instead of from Python
//! keeps the zygote from touching its own heap, so that its pages stay whole and shared: a page
//! that either side writes to after a fork is copied, two microseconds each, and an interpreter
//! that runs ten lines writes to two hundred.

#![no_std]

use core::{ffi::c_void, mem, ptr};

type Fd = i32;

/// What all forks of a zygote have in common, filled in by `confine.py`.
#[repr(C)]
pub struct Plan {
    /// A descriptor of the zygote's own pid namespace; negative where a child gets none of its own.
    pid_namespace: Fd,
    /// Whether programs get a second filter.
    seccomp: i32,
    /// Descriptors from here on do not exist.
    open_files_max: i32,
    threads_max: u64,
    /// The filter, and where its words are that stand for the program's process id.
    filter: *mut u8,
    filter_bytes: usize,
    filter_pids: *const u32,
    n_filter_pids: usize,
    before_fork: unsafe extern "C" fn(),
    after_fork_in_child: unsafe extern "C" fn(),
}

/// What the supervisor asks for: how a child is to be used, and its bounds.
#[repr(C, packed)]
struct Request {
    role: u8,
    memory_bytes: u64,
    cpu_seconds: u64,
}

/// How a child ended.
#[repr(C, packed)]
struct Report {
    kind: u8,
    status: i32,
    cpu_us: u64,
    peak_memory_kib: u64,
}

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    length: usize,
}

#[repr(C)]
struct MessageHeader {
    name: *mut c_void,
    name_length: u32,
    vector: *mut IoVec,
    n_vectors: usize,
    control: *mut c_void,
    control_length: usize,
    flags: i32,
}

/// Room for descriptors that come with a message.
#[repr(C, align(8))]
struct Rights {
    length: usize,
    level: i32,
    kind: i32,
    fds: [Fd; 4],
}

#[repr(C)]
struct PollFd {
    fd: Fd,
    events: i16,
    revents: i16,
}

#[repr(C)]
struct Limit {
    soft: u64,
    hard: u64,
}

#[repr(C)]
struct FilterProgram {
    length: u16,
    filter: *const u8,
}

#[repr(C)]
#[derive(Default)]
struct Usage {
    user: [i64; 2],
    system: [i64; 2],
    max_resident_kib: i64,
    rest: [i64; 13],
}

unsafe extern "C" {
    fn recvmsg(fd: Fd, message: *mut MessageHeader, flags: i32) -> isize;
    fn sendmsg(fd: Fd, message: *const MessageHeader, flags: i32) -> isize;
    fn send(fd: Fd, bytes: *const c_void, length: usize, flags: i32) -> isize;
    fn poll(fds: *mut PollFd, n: u64, timeout_ms: i32) -> i32;
    fn fork() -> i32;
    fn wait4(pid: i32, status: *mut i32, options: i32, usage: *mut Usage) -> i32;
    fn unshare(flags: i32) -> i32;
    fn setns(fd: Fd, flags: i32) -> i32;
    fn setsid() -> i32;
    fn getpid() -> i32;
    fn dup2(from: Fd, to: Fd) -> Fd;
    fn close(fd: Fd) -> i32;
    fn prctl(option: i32, ...) -> i32;
    fn setrlimit(which: i32, limit: *const Limit) -> i32;
    fn getrlimit(which: i32, limit: *mut Limit) -> i32;
    fn syscall(number: i64, ...) -> i64;
    fn capset(header: *const u32, data: *const u32) -> i32;
    fn __errno_location() -> *mut i32;
    fn mmap(
        at: *mut c_void,
        n: usize,
        protection: i32,
        flags: i32,
        fd: Fd,
        from: i64,
    ) -> *mut c_void;
    fn munmap(at: *mut c_void, n: usize) -> i32;
    fn madvise(at: *mut c_void, n: usize, advice: i32) -> i32;
    fn _exit(status: i32) -> !;
}

const CLONE_NEWPID: i32 = 0x2000_0000;
const MSG_CMSG_CLOEXEC: i32 = 0x4000_0000;
const MSG_NOSIGNAL: i32 = 0x4000;
const POLLIN: i16 = 1;
const SIGKILL: i32 = 9;
const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const PR_SET_PDEATHSIG: i32 = 1;
const PR_SET_SECCOMP: i32 = 22;
const RLIMIT_CPU: i32 = 0;
const RLIMIT_NPROC: i32 = 6;
const RLIMIT_AS: i32 = 9;
/// The same on every architecture.
const SYS_PIDFD_SEND_SIGNAL: i64 = 424;
const SYS_PIDFD_OPEN: i64 = 434;
const SYS_CLOSE_RANGE: i64 = 436;

/// A program that is compiled, and forks once per test: it is not locked in yet.
const WHOLE: u8 = b'w';
/// One test of it.
const MAIN: u8 = b'm';

/// Forks on request, tells the supervisor who was born and how it died, and ends with the socket.
///
/// Returns only in a child, with its role, everything in place for the program to run: its
/// descriptors, and unless it forks itself, its limits and the second filter.
///
/// # Safety
/// `plan` points to a live plan whose pointers are live; the caller holds the interpreter's lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn serve(plan: *const Plan, control: Fd, apart: i32) -> i32 {
    // SAFETY: as promised by the caller; every call below gets pointers to live values of the
    // types that the kernel expects.
    unsafe {
        let plan = &*plan;
        let namespaces = plan.pid_namespace >= 0;
        (plan.before_fork)();
        loop {
            let mut request: Request = mem::zeroed();
            let mut rights: Rights = mem::zeroed();
            let n_fds = receive(control, &mut request, &mut rights);
            let apart = apart != 0 && namespaces;
            if apart {
                unshare(CLONE_NEWPID);
            }
            let pid = fork();
            if pid == 0 {
                ARENAS.is_warming = false;
                enter(plan, &request, &rights.fds[..n_fds]);
                (plan.after_fork_in_child)();
                return request.role.into();
            }
            let error = *__errno_location();
            if apart && setns(plan.pid_namespace, CLONE_NEWPID) != 0 {
                _exit(1);
            }
            for fd in &rights.fds[..n_fds] {
                close(*fd);
            }
            if pid < 0 {
                refuse(control, error);
            } else {
                follow(control, pid);
            }
        }
    }
}

/// Waits for a request; the number of descriptors that came with it.
unsafe fn receive(control: Fd, request: &mut Request, rights: &mut Rights) -> usize {
    let mut vector =
        IoVec { base: ptr::from_mut(request).cast(), length: mem::size_of::<Request>() };
    let mut header = message(&mut vector, rights, mem::size_of::<Rights>());
    // SAFETY: the header points to live buffers of the lengths it names.
    unsafe {
        if recvmsg(control, &mut header, MSG_CMSG_CLOEXEC) != mem::size_of::<Request>() as isize {
            _exit(0);
        }
    }
    if header.control_length < 16 { 0 } else { ((rights.length - 16) / 4).min(rights.fds.len()) }
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

/// Says that there is no child, and why.
unsafe fn refuse(control: Fd, error: i32) {
    let mut text = *b"Ethe zygote cannot fork: error 000";
    for (place, digit) in (31..34).zip([100, 10, 1]) {
        text[place] += ((error / digit) % 10) as u8;
    }
    // SAFETY: the text is live and as long as it says.
    unsafe { send(control, text.as_ptr().cast(), text.len(), MSG_NOSIGNAL) };
}

/// Hands the child's descriptor to the supervisor, and reports its death.
unsafe fn follow(control: Fd, pid: i32) {
    // SAFETY: every call gets pointers to live values of the types that the kernel expects.
    unsafe {
        let handle = syscall(SYS_PIDFD_OPEN, pid, 0) as Fd;
        let mut rights =
            Rights { length: 20, level: SOL_SOCKET, kind: SCM_RIGHTS, fds: [handle, 0, 0, 0] };
        let mut kind = b'S';
        let mut vector = IoVec { base: ptr::from_mut(&mut kind).cast(), length: 1 };
        // Room for one descriptor, aligned.
        let header = message(&mut vector, &mut rights, 24);
        sendmsg(control, &header, MSG_NOSIGNAL);
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
        let mut status = 0;
        let mut usage = Usage::default();
        wait4(pid, &mut status, 0, &mut usage);
        close(handle);
        let us = |time: [i64; 2]| (time[0] * 1_000_000 + time[1]) as u64;
        let report = Report {
            kind: b'X',
            status,
            cpu_us: us(usage.user) + us(usage.system),
            peak_memory_kib: usage.max_resident_kib as u64,
        };
        send(control, ptr::from_ref(&report).cast(), mem::size_of::<Report>(), MSG_NOSIGNAL);
    }
}

/// In the child: fixed descriptors, then the lock. Whatever fails, no program runs.
unsafe fn enter(plan: &Plan, request: &Request, fds: &[Fd]) {
    let namespaces = plan.pid_namespace >= 0;
    // SAFETY: every call gets pointers to live values of the types that the kernel expects.
    unsafe {
        // A program's channel is 3, its output 1 and 2; one that forks has a second socket, 4;
        // its tests have input and output only.
        let (places, n_open): ([Fd; 3], Fd) = match request.role {
            WHOLE => ([3, 4, -1], 5),
            MAIN => ([0, 1, 2], 3),
            _ => ([3, 1, 2], 4),
        };
        if request.role != MAIN {
            setsid();
        }
        for (fd, place) in fds.iter().zip(places) {
            demand(dup2(*fd, place) == place);
        }
        demand(close_all(n_open, plan.open_files_max));
        if !namespaces {
            prctl(PR_SET_PDEATHSIG, i64::from(SIGKILL), 0_i64, 0_i64, 0_i64);
        }
        let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
        demand(capset(header.as_ptr(), none.as_ptr()) == 0);
        if request.role != WHOLE {
            demand(limit(RLIMIT_CPU, request.cpu_seconds));
            if namespaces {
                demand(limit(RLIMIT_NPROC, plan.threads_max));
            }
            if plan.seccomp != 0 {
                demand(filter(plan));
            }
        }
        demand(limit(RLIMIT_AS, request.memory_bytes));
    }
}

unsafe fn demand(holds: bool) {
    if !holds {
        // SAFETY: this ends the process.
        unsafe { _exit(1) };
    }
}

unsafe fn close_all(from: Fd, n: Fd) -> bool {
    // SAFETY: closing is harmless to memory.
    unsafe {
        if syscall(SYS_CLOSE_RANGE, from, i32::MAX, 0) != 0 {
            for fd in from..n {
                close(fd);
            }
        }
    }
    true
}

/// Lowers a limit for good; one that is lower already stays.
unsafe fn limit(which: i32, value: u64) -> bool {
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

/// Puts the program's filter in force.
unsafe fn filter(plan: &Plan) -> bool {
    // SAFETY: the plan's pointers are live, and the offsets lie within the filter.
    unsafe {
        let me = getpid();
        for index in 0..plan.n_filter_pids {
            let at = *plan.filter_pids.add(index) as usize;
            plan.filter.add(at).cast::<i32>().write_unaligned(me);
        }
        let program = FilterProgram { length: (plan.filter_bytes / 8) as u16, filter: plan.filter };
        prctl(PR_SET_SECCOMP, 2_i64, ptr::from_ref(&program), 0_i64, 0_i64) == 0
    }
}

const HUGE_BYTES: usize = 2 << 20;
const MADV_HUGEPAGE: i32 = 14;
const PROTECTION: i32 = 3;
const PRIVATE_ANONYMOUS: i32 = 0x22;

/// Memory for the interpreter's small objects. A fork copies one entry of the page table for each
/// page; with huge pages there is one for every 512.
struct Arenas {
    /// What is left of the last huge page.
    at: usize,
    end: usize,
    /// Whether this is still the zygote: a program's memory grows in small pages.
    is_warming: bool,
}

static mut ARENAS: Arenas = Arenas { at: 0, end: 0, is_warming: true };

/// `PyObjectArenaAllocator.alloc`: arenas in huge pages while the zygote warms up.
///
/// # Safety
/// The caller holds the interpreter's lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arena_alloc(_: *mut c_void, n_bytes: usize) -> *mut c_void {
    // SAFETY: the interpreter's lock guards the one static; the mapping is our own.
    unsafe {
        let arenas = &mut *ptr::addr_of_mut!(ARENAS);
        let map = |n| {
            let start = mmap(ptr::null_mut(), n, PROTECTION, PRIVATE_ANONYMOUS, -1, 0);
            if start as isize == -1 { ptr::null_mut() } else { start }
        };
        if !arenas.is_warming || n_bytes > HUGE_BYTES {
            return map(n_bytes);
        }
        if arenas.end - arenas.at < n_bytes {
            let start = map(2 * HUGE_BYTES);
            if start.is_null() {
                return start;
            }
            let aligned = (start as usize).next_multiple_of(HUGE_BYTES);
            let before = aligned - start as usize;
            if before > 0 {
                munmap(start, before);
            }
            munmap((aligned + HUGE_BYTES) as *mut c_void, HUGE_BYTES - before);
            madvise(aligned as *mut c_void, HUGE_BYTES, MADV_HUGEPAGE);
            arenas.at = aligned;
            arenas.end = aligned + HUGE_BYTES;
        }
        let place = arenas.at;
        arenas.at += n_bytes;
        place as *mut c_void
    }
}

/// `PyObjectArenaAllocator.free`: an arena that a program gives back is given to the kernel.
///
/// # Safety
/// The arena came from [`arena_alloc`] and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arena_free(_: *mut c_void, arena: *mut c_void, n_bytes: usize) {
    // SAFETY: as promised by the caller.
    unsafe { munmap(arena, n_bytes) };
}

/// The compiler's own library names it; nothing here unwinds.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: this ends the process.
    unsafe { _exit(1) }
}
