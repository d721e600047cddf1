//! The kernel's and the C library's names for what is used here.

use core::ffi::{c_char, c_void};

pub(crate) type Fd = i32;

#[repr(C)]
pub(crate) struct IoVec {
    pub(crate) base: *mut c_void,
    pub(crate) length: usize,
}

#[repr(C)]
pub(crate) struct MessageHeader {
    pub(crate) name: *mut c_void,
    pub(crate) name_length: u32,
    pub(crate) vector: *mut IoVec,
    pub(crate) n_vectors: usize,
    pub(crate) control: *mut c_void,
    pub(crate) control_length: usize,
    pub(crate) flags: i32,
}

/// Room for descriptors that come with a message.
#[repr(C, align(8))]
pub(crate) struct Rights {
    pub(crate) length: usize,
    pub(crate) level: i32,
    pub(crate) kind: i32,
    pub(crate) fds: [Fd; 4],
}

#[repr(C)]
pub(crate) struct PollFd {
    pub(crate) fd: Fd,
    pub(crate) events: i16,
    pub(crate) revents: i16,
}

#[repr(C)]
pub(crate) struct Limit {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

#[repr(C)]
pub(crate) struct FilterProgram {
    pub(crate) length: u16,
    pub(crate) filter: *const u8,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct Usage {
    pub(crate) user: [i64; 2],
    pub(crate) system: [i64; 2],
    pub(crate) max_resident_kib: i64,
    pub(crate) rest: [i64; 13],
}

unsafe extern "C" {
    pub(crate) fn recvmsg(fd: Fd, message: *mut MessageHeader, flags: i32) -> isize;
    pub(crate) fn sendmsg(fd: Fd, message: *const MessageHeader, flags: i32) -> isize;
    pub(crate) fn send(fd: Fd, bytes: *const c_void, length: usize, flags: i32) -> isize;
    pub(crate) fn poll(fds: *mut PollFd, n: u64, timeout_ms: i32) -> i32;
    pub(crate) fn fork() -> i32;
    pub(crate) fn wait4(pid: i32, status: *mut i32, options: i32, usage: *mut Usage) -> i32;
    pub(crate) fn unshare(flags: i32) -> i32;
    pub(crate) fn setns(fd: Fd, flags: i32) -> i32;
    pub(crate) fn setsid() -> i32;
    pub(crate) fn getpid() -> i32;
    pub(crate) fn dup2(from: Fd, to: Fd) -> Fd;
    pub(crate) fn close(fd: Fd) -> i32;
    pub(crate) fn prctl(option: i32, ...) -> i32;
    pub(crate) fn setrlimit(which: i32, limit: *const Limit) -> i32;
    pub(crate) fn getrlimit(which: i32, limit: *mut Limit) -> i32;
    pub(crate) fn syscall(number: i64, ...) -> i64;
    pub(crate) fn capset(header: *const u32, data: *const u32) -> i32;
    pub(crate) fn __errno_location() -> *mut i32;
    pub(crate) fn mmap(
        at: *mut c_void,
        n: usize,
        protection: i32,
        flags: i32,
        fd: Fd,
        from: i64,
    ) -> *mut c_void;
    pub(crate) fn munmap(at: *mut c_void, n: usize) -> i32;
    pub(crate) fn madvise(at: *mut c_void, n: usize, advice: i32) -> i32;
    pub(crate) fn clone(
        run: unsafe extern "C" fn(*mut c_void) -> i32,
        stack: *mut c_void,
        flags: i32,
        argument: *mut c_void,
        ...
    ) -> i32;
    pub(crate) fn execveat(
        fd: Fd,
        path: *const c_char,
        arguments: *const *const c_char,
        environment: *const *const c_char,
        flags: i32,
    ) -> i32;
    pub(crate) fn openat(fd: Fd, path: *const c_char, flags: i32, ...) -> Fd;
    pub(crate) fn mkdirat(fd: Fd, path: *const c_char, mode: u32) -> i32;
    pub(crate) fn unlinkat(fd: Fd, path: *const c_char, flags: i32) -> i32;
    pub(crate) fn fchdir(fd: Fd) -> i32;
    pub(crate) fn fcntl(fd: Fd, command: i32, ...) -> i32;
    pub(crate) fn sendfile(to: Fd, from: Fd, offset: *mut i64, n: usize) -> isize;
    pub(crate) fn pread(fd: Fd, bytes: *mut c_void, n: usize, at: i64) -> isize;
    pub(crate) fn lseek(fd: Fd, at: i64, from: i32) -> i64;
    pub(crate) fn kill(pid: i32, signal: i32) -> i32;
    pub(crate) fn _exit(status: i32) -> !;
}

pub(crate) const CLONE_NEWPID: i32 = 0x2000_0000;
pub(crate) const MSG_CMSG_CLOEXEC: i32 = 0x4000_0000;
pub(crate) const MSG_NOSIGNAL: i32 = 0x4000;
pub(crate) const POLLIN: i16 = 1;
pub(crate) const SIGKILL: i32 = 9;
pub(crate) const SOL_SOCKET: i32 = 1;
pub(crate) const SCM_RIGHTS: i32 = 1;
pub(crate) const PR_SET_PDEATHSIG: i32 = 1;
pub(crate) const PR_SET_SECCOMP: i32 = 22;
pub(crate) const RLIMIT_CPU: i32 = 0;
pub(crate) const RLIMIT_NPROC: i32 = 6;
pub(crate) const RLIMIT_AS: i32 = 9;
/// The same on every architecture.
pub(crate) const SYS_PIDFD_SEND_SIGNAL: i64 = 424;
pub(crate) const SYS_PIDFD_OPEN: i64 = 434;
pub(crate) const SYS_CLOSE_RANGE: i64 = 436;

pub(crate) const CLONE_VM: i32 = 0x100;
pub(crate) const CLONE_PIDFD: i32 = 0x1000;
pub(crate) const CLONE_VFORK: i32 = 0x4000;
pub(crate) const SIGCHLD: i32 = 17;
pub(crate) const F_DUPFD_CLOEXEC: i32 = 1030;
pub(crate) const AT_EMPTY_PATH: i32 = 0x1000;
pub(crate) const AT_REMOVEDIR: i32 = 0x200;
pub(crate) const O_WRONLY: i32 = 1;
pub(crate) const O_CREAT: i32 = 0o100;
pub(crate) const O_EXCL: i32 = 0o200;
pub(crate) const O_NONBLOCK: i32 = 0o4000;
pub(crate) const O_CLOEXEC: i32 = 0o2_000_000;
pub(crate) const O_PATH: i32 = 0o10_000_000;
#[cfg(target_arch = "x86_64")]
pub(crate) const O_DIRECTORY: i32 = 0o200_000;
#[cfg(target_arch = "x86_64")]
pub(crate) const O_NOFOLLOW: i32 = 0o400_000;
#[cfg(target_arch = "aarch64")]
pub(crate) const O_DIRECTORY: i32 = 0o40_000;
#[cfg(target_arch = "aarch64")]
pub(crate) const O_NOFOLLOW: i32 = 0o100_000;
pub(crate) const RLIMIT_FSIZE: i32 = 1;
pub(crate) const RLIMIT_DATA: i32 = 2;
pub(crate) const RLIMIT_NOFILE: i32 = 7;
pub(crate) const SYS_LANDLOCK_CREATE_RULESET: i64 = 444;
pub(crate) const SYS_LANDLOCK_RESTRICT_SELF: i64 = 446;
#[cfg(target_arch = "x86_64")]
pub(crate) const SYS_GETDENTS64: i64 = 217;
#[cfg(target_arch = "aarch64")]
pub(crate) const SYS_GETDENTS64: i64 = 61;
