//! The launcher: starts compilers and compiled programs, one at a time, each locked in.
//!
//! A program of its own, compiled by the build script without the standard library, so that it is
//! small. `confine.py` confines the process, then becomes this; what stays for here is the system
//! call filter, and what differs from program to program. Descriptor 60 is the supervisor's, 61 a
//! file with the filters, 62 the folder that programs work in.
//!
//! A request is one message: a [`Request`], then strings that end with a zero byte (names of files,
//! arguments, environment), with descriptors for standard input, output, error and perhaps a
//! channel, for the executable if it is no file here, and for the contents of the files.

#![no_std]
#![no_main]
#![expect(dead_code, reason = "the modules serve the zygote too")]

mod fork;
mod sys;

use core::{
    cell::Cell,
    ffi::{c_char, c_void},
    mem, ptr,
};

use fork::{
    Rights, close_all, demand, drop_capabilities, filter, follow, hand_over, limit, receive,
    refuse, report,
};
use sys::{
    __errno_location, _exit, AT_EMPTY_PATH, AT_REMOVEDIR, CLONE_NEWPID, CLONE_PIDFD, CLONE_VFORK,
    CLONE_VM, F_DUPFD_CLOEXEC, Fd, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK,
    O_PATH, O_WRONLY, PR_SET_PDEATHSIG, RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE,
    RLIMIT_NOFILE, RLIMIT_NPROC, SIGCHLD, SIGKILL, SYS_GETDENTS64, SYS_LANDLOCK_CREATE_RULESET,
    SYS_LANDLOCK_RESTRICT_SELF, clone, close, dup2, execveat, fchdir, fcntl, kill, mkdirat, mmap,
    openat, prctl, sendfile, setsid, syscall, unlinkat, wait4,
};

const CONTROL: Fd = 60;
const FILTERS: Fd = 61;
const WORK: Fd = 62;
/// Executables stand from here on, where no program can ever have a descriptor: that is how the
/// filter knows the one call that starts the program from those that the program makes.
const EXECUTABLE: Fd = 100;
/// An empty path, where no program can have memory: the filter knows that call by it, too.
const EMPTY_PATH: usize = 0x1_0000;
const PROT_READ: i32 = 1;
const MAP_FIXED_PRIVATE_ANONYMOUS: i32 = 0x32;
/// Descriptors that a program, and a compiler, may have.
const OPEN_FILES_MAX: u64 = 64;
const COMPILER_FILES_MAX: u64 = 100;

/// What is to be started.
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Request {
    /// `x` for a program, `b` for a compiler.
    role: u8,
    memory_bytes: u64,
    cpu_seconds: u64,
    file_bytes: u64,
    processes_max: u64,
    /// Whether the bound on memory is one on data, not on address space.
    is_data: u8,
    /// Descriptors for 0, 1, 2 and so on.
    n_streams: u8,
    /// Whether the executable comes as a descriptor; else it is the first argument, a path.
    has_executable: u8,
    n_files: u8,
    n_arguments: u8,
    n_variables: u8,
}

/// How this launcher was confined: the bytes of its second argument.
#[derive(Clone, Copy)]
struct Layers {
    namespaces: bool,
    landlock: i32,
    seccomp: bool,
}

/// A filter, and how long it is.
#[derive(Clone, Copy)]
struct Filter(*mut u8, usize);

/// Everything that the child of a fork that shares memory needs, made before it.
struct Start<'a> {
    request: &'a Request,
    layers: Layers,
    filter: Filter,
    streams: &'a [Fd],
    executable: Fd,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    error: Cell<i32>,
}

const STRINGS_MAX: usize = 160;
const MESSAGE_BYTES_MAX: usize = 1 << 16;
const FILTER_BYTES_MAX: usize = 1 << 14;

static mut MESSAGE: [u8; MESSAGE_BYTES_MAX] = [0; MESSAGE_BYTES_MAX];
static mut FILTER_BYTES: [u8; FILTER_BYTES_MAX] = [0; FILTER_BYTES_MAX];
static mut STACK: Stack = Stack([0; 1 << 16]);

#[repr(align(16))]
struct Stack([u8; 1 << 16]);

/// # Safety
/// The C library calls it with a live argument vector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_: i32, arguments: *const *const u8) -> i32 {
    // SAFETY: the process has one thread, so the statics are ours; the second argument has three
    // bytes at least, as `confine.py` wrote them.
    unsafe {
        let layers = *arguments.add(1);
        let flag = |at: usize| i32::from(*layers.add(at)) - i32::from(b'0');
        let layers = Layers { namespaces: flag(0) > 0, landlock: flag(1), seccomp: flag(2) > 0 };
        let empty = EMPTY_PATH as *mut c_void;
        demand(mmap(empty, 4096, PROT_READ, MAP_FIXED_PRIVATE_ANONYMOUS, -1, 0) == empty);
        let [own, program, compiler] = filters();
        if layers.seccomp {
            demand(filter(own.0, own.1));
        }
        let mut greeting = *b"Hu\x08\0\0\0launcher";
        sys::send(CONTROL, greeting.as_mut_ptr().cast(), greeting.len(), 0);
        let message = &mut *ptr::addr_of_mut!(MESSAGE);
        let mut rights = Rights::none();
        loop {
            let n_bytes = receive(CONTROL, message, &mut rights);
            demand(n_bytes >= mem::size_of::<Request>());
            let request: Request = message.as_ptr().cast::<Request>().read_unaligned();
            let strings = &message[mem::size_of::<Request>()..n_bytes];
            let filter = if request.role == b'b' { compiler } else { program };
            serve((&request, strings, rights.fds()), layers, filter);
        }
    }
}

/// The filters for this process, for programs, for compilers: each with its length in front.
unsafe fn filters() -> [Filter; 3] {
    // SAFETY: the file is as long as its lengths say, and fits: the supervisor wrote it.
    unsafe {
        let bytes = &mut *ptr::addr_of_mut!(FILTER_BYTES);
        let n = sys::pread(FILTERS, bytes.as_mut_ptr().cast(), bytes.len(), 0);
        demand(n > 0 && (n as usize) < bytes.len());
        close(FILTERS);
        let mut at = 0;
        [(); 3].map(|()| {
            let n_bytes = bytes.as_ptr().add(at).cast::<u32>().read_unaligned() as usize;
            let filter = Filter(bytes.as_mut_ptr().add(at + 4), n_bytes);
            at += 4 + n_bytes;
            filter
        })
    }
}

/// Starts what is asked for, follows it to its end, and hands over what a compiler made.
unsafe fn serve((request, strings, fds): (&Request, &[u8], &[Fd]), layers: Layers, filter: Filter) {
    // SAFETY: strings are read up to their zero bytes, which are checked; the arrays of pointers
    // live until the child has started.
    unsafe {
        let mut texts: [*const c_char; STRINGS_MAX] = [ptr::null(); STRINGS_MAX];
        let n_texts = split(strings, &mut texts);
        let counts = [request.n_files, request.n_arguments, request.n_variables];
        let [n_files, n_arguments, n_variables] = counts.map(usize::from);
        let n_streams = usize::from(request.n_streams);
        let n_executables = usize::from(request.has_executable > 0);
        demand(n_texts == n_files + n_arguments + n_variables);
        demand(fds.len() == n_streams + n_executables + n_files);
        let is_compiler = request.role == b'b';
        let mut pointers: [*const c_char; STRINGS_MAX + 2] = [ptr::null(); STRINGS_MAX + 2];
        // Arguments, null, environment, null.
        pointers[..n_arguments].copy_from_slice(&texts[n_files..n_files + n_arguments]);
        pointers[n_arguments + 1..n_arguments + 1 + n_variables]
            .copy_from_slice(&texts[n_files + n_arguments..n_texts]);
        wipe(WORK, 0);
        let mut is_ready = true;
        for (name, fd) in texts[..n_files].iter().zip(&fds[n_streams + n_executables..]) {
            is_ready &= write_file(*name, *fd);
        }
        if is_compiler {
            is_ready &= mkdirat(WORK, c"out".as_ptr(), 0o700) == 0;
            is_ready &= mkdirat(WORK, c"tmp".as_ptr(), 0o700) == 0;
        }
        let executable = if request.has_executable > 0 {
            fcntl(fds[n_streams], F_DUPFD_CLOEXEC, EXECUTABLE)
        } else {
            let file = openat(-1, pointers[0], O_PATH | O_CLOEXEC);
            let fd = fcntl(file, F_DUPFD_CLOEXEC, EXECUTABLE);
            close(file);
            fd
        };
        let start = Start {
            request,
            layers,
            filter,
            streams: &fds[..n_streams],
            executable,
            arguments: pointers.as_ptr(),
            environment: pointers.as_ptr().add(n_arguments + 1),
            error: Cell::new(0),
        };
        let is_ready = is_ready && executable >= EXECUTABLE;
        let (pid, handle) = if is_ready { spawn(&start) } else { (-1, -1) };
        let error = if start.error.get() > 0 { start.error.get() } else { *__errno_location() };
        close(executable);
        for fd in fds {
            close(*fd);
        }
        if pid < 0 || start.error.get() > 0 {
            if pid > 0 {
                let (mut status, mut usage) = (0, sys::Usage::default());
                wait4(pid, &mut status, 0, &mut usage);
                close(handle);
            }
            refuse(CONTROL, error);
            return;
        }
        let (status, usage) = follow(CONTROL, pid, handle);
        // In a namespace of its own everything died with it.
        if !layers.namespaces {
            bury(pid);
        }
        if is_compiler && status == 0 {
            hand_over_outputs();
        }
        wipe(WORK, 0);
        report(CONTROL, status, &usage);
    }
}

/// Pointers to the strings; each ends with a zero byte.
unsafe fn split(strings: &[u8], texts: &mut [*const c_char; STRINGS_MAX]) -> usize {
    let mut n = 0;
    let mut is_start = true;
    for (at, byte) in strings.iter().enumerate() {
        if is_start && n < STRINGS_MAX {
            texts[n] = strings[at..].as_ptr().cast();
            n += 1;
        }
        is_start = *byte == 0;
    }
    // SAFETY: this ends the process.
    unsafe { demand(is_start) };
    n
}

/// Starts the child, which shares our memory until it has become the program.
unsafe fn spawn(start: &Start<'_>) -> (i32, Fd) {
    let apart = if start.layers.namespaces { CLONE_NEWPID } else { 0 };
    let flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | apart;
    let mut handle: Fd = -1;
    // SAFETY: the stack is ours alone while the child uses it, because we wait for the child.
    unsafe {
        let stack = ptr::addr_of_mut!(STACK).add(1).cast();
        let pid = clone(
            become_program,
            stack,
            flags,
            ptr::from_ref(start).cast_mut().cast(),
            &mut handle,
        );
        (pid, handle)
    }
}

/// In the child: descriptors, limits, filter, and then the program.
unsafe extern "C" fn become_program(start: *mut c_void) -> i32 {
    // SAFETY: the pointer is to the parent's live `Start`; every call gets pointers to live values
    // of the types that the kernel expects.
    unsafe {
        let start = &*start.cast::<Start<'_>>();
        let request = start.request;
        let is_compiler = request.role == b'b';
        let checked = |holds: bool| {
            if !holds {
                start.error.set((*__errno_location()).max(1));
                _exit(1);
            }
        };
        setsid();
        checked(fchdir(WORK) == 0);
        for (place, fd) in start.streams.iter().enumerate() {
            checked(dup2(*fd, place as Fd) == place as Fd);
        }
        close_all_but(start.streams.len() as Fd, start.executable);
        if !start.layers.namespaces {
            prctl(PR_SET_PDEATHSIG, i64::from(SIGKILL), 0_i64, 0_i64, 0_i64);
        }
        if start.layers.landlock > 0 {
            checked(stay_inside(start.layers.landlock, !is_compiler));
        }
        checked(drop_capabilities());
        checked(limit(RLIMIT_CPU, request.cpu_seconds));
        checked(limit(RLIMIT_FSIZE, request.file_bytes));
        if start.layers.namespaces {
            checked(limit(RLIMIT_NPROC, request.processes_max));
        }
        let memory = if request.is_data > 0 { RLIMIT_DATA } else { RLIMIT_AS };
        checked(limit(memory, request.memory_bytes));
        checked(limit(
            RLIMIT_NOFILE,
            if is_compiler { COMPILER_FILES_MAX } else { OPEN_FILES_MAX },
        ));
        if start.layers.seccomp {
            // A copy: our memory is the launcher's, and the next child has another process id.
            let mut own = [0; FILTER_BYTES_MAX];
            ptr::copy_nonoverlapping(start.filter.0, own.as_mut_ptr(), start.filter.1);
            checked(filter(own.as_mut_ptr(), start.filter.1));
        }
        execveat(
            start.executable,
            EMPTY_PATH as *const c_char,
            start.arguments,
            start.environment,
            AT_EMPTY_PATH,
        );
        checked(false);
        1
    }
}

/// Closes everything from `from` on but the executable, which closes when it starts.
unsafe fn close_all_but(from: Fd, executable: Fd) {
    // SAFETY: closing is harmless to memory.
    unsafe {
        for fd in [CONTROL, WORK] {
            close(fd);
        }
        close_range(from, EXECUTABLE - 1);
        close_all(executable + 1, executable + 1);
    }
}

unsafe fn close_range(from: Fd, to: Fd) {
    // SAFETY: closing is harmless to memory.
    unsafe {
        if syscall(sys::SYS_CLOSE_RANGE, from, to, 0) != 0 {
            for fd in from..=to {
                close(fd);
            }
        }
    }
}

/// One more layer: no signal out of here, and for a program nothing written anywhere.
unsafe fn stay_inside(version: i32, is_program: bool) -> bool {
    // Writing, removing, making, and since later versions renaming and truncating.
    let mut writes: u64 = (1 << 1) | (0x1ff << 4);
    for (since, bit) in [(2, 13), (3, 14)] {
        if version >= since {
            writes |= 1 << bit;
        }
    }
    let scoped: u64 = if version >= 6 { 3 } else { 0 };
    let rules = [if is_program { writes } else { 0 }, 0, scoped];
    let n_words = if version >= 6 { 3 } else { 1 };
    if rules == [0; 3] {
        return true;
    }
    // SAFETY: the rules are as long as they say.
    unsafe {
        let ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, rules.as_ptr(), 8 * n_words, 0);
        let holds = ruleset >= 0 && syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0;
        close(ruleset as Fd);
        holds
    }
}

/// Kills what a child left behind where it had no namespace of its own.
unsafe fn bury(pid: i32) {
    // SAFETY: the calls get live pointers or none.
    unsafe {
        kill(-pid, SIGKILL);
        let (mut status, mut usage) = (0, sys::Usage::default());
        while wait4(-1, &mut status, 0, &mut usage) > 0 {}
    }
}

/// Writes a file into the folder, with the content of another.
unsafe fn write_file(name: *const c_char, content: Fd) -> bool {
    // SAFETY: the name ends with a zero byte.
    unsafe {
        let fd = openat(WORK, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600);
        if fd < 0 {
            return false;
        }
        let mut at = 0;
        let mut n = 1;
        while n > 0 {
            n = sendfile(fd, content, &mut at, 1 << 20);
        }
        close(fd) == 0 && n == 0
    }
}

/// Sends the plain files in `out`, each as its name and a descriptor.
unsafe fn hand_over_outputs() {
    const FILES_MAX: usize = 64;
    // SAFETY: the folder is open while it is read.
    unsafe {
        let out = openat(WORK, c"out".as_ptr(), O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        let mut n_files = 0;
        each_entry(out, &mut |name: &[u8]| {
            let flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
            let fd = openat(out, name.as_ptr().cast(), flags);
            if fd >= 0 && n_files < FILES_MAX {
                n_files += 1;
                let mut text = [b'F'; 257];
                let n = name.len() - 1;
                text[1..=n].copy_from_slice(&name[..n]);
                hand_over(CONTROL, &mut text[..=n], fd);
            }
            close(fd);
        });
        close(out);
    }
}

/// Removes everything in a folder.
unsafe fn wipe(folder: Fd, depth: u32) {
    const DEPTH_MAX: u32 = 40;
    // SAFETY: the folder is open while it is read.
    unsafe {
        each_entry(folder, &mut |name: &[u8]| {
            let name = name.as_ptr().cast();
            if unlinkat(folder, name, 0) == 0 || depth == DEPTH_MAX {
                return;
            }
            let inner = openat(folder, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if inner >= 0 {
                wipe(inner, depth + 1);
                close(inner);
            }
            unlinkat(folder, name, AT_REMOVEDIR);
        });
    }
}

/// Calls `visit` with the name of each entry of a folder, its zero byte included.
unsafe fn each_entry(folder: Fd, visit: &mut dyn FnMut(&[u8])) {
    let mut buffer = [0_u64; 1 << 9];
    // SAFETY: the kernel fills the buffer with entries whose lengths it gives: an inode, an
    // offset, the length in two bytes, a kind, and a name that ends with a zero byte.
    unsafe {
        sys::lseek(folder, 0, 0);
        loop {
            let n = syscall(SYS_GETDENTS64, folder, buffer.as_mut_ptr(), mem::size_of_val(&buffer));
            if n <= 0 {
                return;
            }
            let (mut at, n) = (0, n as usize);
            let bytes = core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), n);
            while at + 19 < n {
                let length = usize::from(u16::from_ne_bytes([bytes[at + 16], bytes[at + 17]]));
                let name = &bytes[at + 19..at + length];
                let end = name.iter().position(|byte| *byte == 0).map_or(name.len(), |end| end + 1);
                let name = &name[..end];
                if name != b".\0" && name != b"..\0" && name.len() <= 256 {
                    visit(name);
                }
                at += length;
            }
        }
    }
}

#[link(name = "c")]
unsafe extern "C" {}

/// The compiler's own library names it; nothing here unwinds.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: this ends the process.
    unsafe { _exit(1) }
}
