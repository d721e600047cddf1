//! The native part of a zygote: the loop that forks, and the last door before a program.
//!
//! This file is compiled by the build script into a shared object of its own, without the standard
//! library, and loaded by the interpreter (`confine.py`). Forking from here instead of from Python
//! keeps the zygote from touching its own heap, so that its pages stay whole and shared: a page
//! that either side writes to after a fork is copied, two microseconds each, and an interpreter
//! that runs ten lines writes to two hundred.

#![no_std]
#![expect(dead_code, reason = "the modules serve the launcher too")]

mod fork;
mod sys;

use core::{ffi::c_void, mem, ptr, slice};

use fork::{
    Rights, close_all, demand, drop_capabilities, filter, follow, limit, receive, refuse, report,
};
use sys::{
    __errno_location, _exit, CLONE_NEWPID, Fd, PR_SET_PDEATHSIG, RLIMIT_AS, RLIMIT_CPU,
    RLIMIT_NPROC, SIGKILL, SYS_PIDFD_OPEN, close, dup2, fork, madvise, mmap, munmap, prctl, setns,
    setsid, syscall, unshare,
};

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
    filter: *mut u8,
    filter_bytes: usize,
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
        let apart = apart != 0 && namespaces;
        let mut rights = Rights::none();
        (plan.before_fork)();
        loop {
            let mut request: Request = mem::zeroed();
            let bytes = slice::from_raw_parts_mut(
                ptr::from_mut(&mut request).cast(),
                mem::size_of::<Request>(),
            );
            receive(control, bytes, &mut rights);
            if rights.fds().len() < places(request.role).len() {
                // There was no room for them: a program would run with descriptors of ours.
                for fd in rights.fds() {
                    close(*fd);
                }
                refuse(control, EMFILE);
                continue;
            }
            if apart {
                unshare(CLONE_NEWPID);
            }
            let pid = fork();
            if pid == 0 {
                ARENAS.is_warming = false;
                enter(plan, &request, rights.fds());
                (plan.after_fork_in_child)();
                return request.role.into();
            }
            let error = *__errno_location();
            if apart && setns(plan.pid_namespace, CLONE_NEWPID) != 0 {
                _exit(1);
            }
            for fd in rights.fds() {
                close(*fd);
            }
            if pid < 0 {
                refuse(control, error);
                continue;
            }
            let handle = syscall(SYS_PIDFD_OPEN, pid, 0) as Fd;
            // Without a handle the child could not be killed; dying kills it.
            demand(handle >= 0);
            let (status, usage) = follow(control, pid, handle);
            report(control, status, &usage);
        }
    }
}

/// Where a child finds its descriptors. A program's channel is 3, its output 1 and 2; one that
/// forks has a second socket, 4; its tests have input and output only.
fn places(role: u8) -> &'static [Fd] {
    match role {
        WHOLE => &[3, 4],
        MAIN => &[0, 1, 2],
        _ => &[3, 1, 2],
    }
}

const EMFILE: i32 = 24;

/// In the child: fixed descriptors, then the lock. Whatever fails, no program runs.
unsafe fn enter(plan: &Plan, request: &Request, fds: &[Fd]) {
    let namespaces = plan.pid_namespace >= 0;
    // SAFETY: every call gets pointers to live values of the types that the kernel expects.
    unsafe {
        let places = places(request.role);
        let n_open = places.iter().fold(0, |n, place| n.max(*place + 1));
        if request.role != MAIN {
            setsid();
        }
        for (fd, place) in fds.iter().zip(places) {
            demand(dup2(*fd, *place) == *place);
        }
        close_all(n_open, plan.open_files_max);
        if !namespaces {
            prctl(PR_SET_PDEATHSIG, i64::from(SIGKILL), 0_i64, 0_i64, 0_i64);
        }
        demand(drop_capabilities());
        if request.role != WHOLE {
            demand(limit(RLIMIT_CPU, request.cpu_seconds));
            if namespaces {
                demand(limit(RLIMIT_NPROC, plan.threads_max));
            }
            if plan.seccomp != 0 {
                demand(filter(plan.filter, plan.filter_bytes));
            }
        }
        demand(limit(RLIMIT_AS, request.memory_bytes));
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
