//! System calls that programs may not make, as classic BPF.
//!
//! Two filters: what neither a zygote nor a program ever needs is denied once, in the zygote, and
//! inherited for free; what only the zygote needs is denied by a small filter per program. What
//! no honest Python program does by accident kills (and becomes a
//! [security violation](codescaler::execution::Verdict::SecurityViolation)); what a library may
//! try and do without gets `EPERM`.

use codescaler::value::Value;

/// Stands for the program's own process id in [`program`], until it is known.
const PID_MARK: u32 = 0xc0de_5ca1;

const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;

/// Offsets into `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const OUR_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OUR_ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are the x32 interface of x86-64, which no filter below covers.
const X32: u32 = 0x4000_0000;

/// Killed wherever they occur.
const NEVER: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_kcmp,
    libc::SYS_lookup_dcookie,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// Refused wherever they occur.
const REFUSED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_mbind,
    libc::SYS_personality,
    libc::SYS_vhangup,
    libc::SYS_io_setup,
    libc::SYS_sync,
    libc::SYS_syncfs,
];

/// What starts another program.
const EXECUTIONS: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// The descriptor of the executable that the launcher starts (`native/launcher.rs`).
const EXECUTABLE: u32 = 100;

/// Where the launcher has the empty path (`native/launcher.rs`): the lowest address there is.
const EMPTY_PATH: u32 = 0x1_0000;
/// Below this programs get no memory.
const LOW_MEMORY: u32 = 0x10_0000;
/// `MAP_GROWSDOWN` and `MREMAP_FIXED`.
const GROWS_DOWN: u32 = 0x100;
const MOVES_TO_PLACE: u32 = 2;

/// All `CLONE_NEW…` flags.
const NAMESPACES: u32 = 0x7e02_0080;

/// Refused in programs: what reaches beyond the process without a signal. Landlock does not cover
/// what files are said to be; descriptors on their way in a socket are counted by user, so that
/// one program could keep all others from starting; a timer may send any signal.
const REACHING: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SYS_SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_REMOVEXATTRAT,
    SYS_FILE_SETATTR,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_timer_create,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
];

/// Calls newer than the C library's headers, the same on every architecture.
const SYS_FCHMODAT2: i64 = 452;
const SYS_SETXATTRAT: i64 = 463;
const SYS_REMOVEXATTRAT: i64 = 466;
const SYS_FILE_SETATTR: i64 = 469;

/// Calls of old architectures for which newer ones have other names: what reaches beyond the
/// process, as above.
#[cfg(target_arch = "x86_64")]
const REACHING_OLD: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(target_arch = "aarch64")]
const REACHING_OLD: &[i64] = &[];

/// Calls that are refused in programs where an argument, by its index, has one of some values:
/// who gets a descriptor's signals and which (another way to kill), and core dumps.
const BY_ARGUMENT: &[(i64, u32, &[u32])] = &[
    (libc::SYS_fcntl, 1, &[F_SETOWN, F_SETSIG, F_SETOWN_EX]),
    (libc::SYS_ioctl, 1, &[FIOSETOWN, SIOCSPGRP]),
    (libc::SYS_prctl, 0, &[PR_SET_DUMPABLE]),
    (libc::SYS_setrlimit, 0, &[RLIMIT_CPU]),
];
const F_SETOWN: u32 = 8;
const F_SETSIG: u32 = 10;
const F_SETOWN_EX: u32 = 15;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;
const PR_SET_DUMPABLE: u32 = 4;
const RLIMIT_CPU: u32 = 0;

/// Calls that take a process id first and a signal later, by the index of the signal argument.
const SIGNALS: &[(i64, u32)] = &[
    (libc::SYS_kill, 1),
    (libc::SYS_tgkill, 2),
    (libc::SYS_rt_sigqueueinfo, 1),
    (libc::SYS_rt_tgsigqueueinfo, 2),
];

/// Calls of old architectures for which newer ones have other names.
#[cfg(target_arch = "x86_64")]
const FORKS: &[i64] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(target_arch = "aarch64")]
const FORKS: &[i64] = &[];

struct Filter(Vec<u8>);

impl Filter {
    fn push(&mut self, code: u16, jump: (u8, u8), k: u32) {
        self.0.extend(code.to_ne_bytes());
        self.0.extend([jump.0, jump.1]);
        self.0.extend(k.to_ne_bytes());
    }

    /// The call `number` returns `action`; any other goes on.
    fn on(&mut self, number: i64, action: u32) {
        let number = u32::try_from(number).expect("system call numbers are small");
        self.push(JUMP_EQUAL, (0, 1), number);
        self.push(RETURN, (0, 0), action);
    }

    /// The prologue: other instruction sets die, the number is loaded.
    fn new() -> Filter {
        let mut filter = Filter(Vec::new());
        filter.push(LOAD_WORD, (0, 0), ARCHITECTURE);
        filter.push(JUMP_EQUAL, (1, 0), OUR_ARCHITECTURE);
        filter.push(RETURN, (0, 0), KILL_PROCESS);
        filter.push(LOAD_WORD, (0, 0), NUMBER);
        filter.push(JUMP_AT_LEAST, (0, 1), X32);
        filter.push(RETURN, (0, 0), KILL_PROCESS);
        filter
    }

    /// All these calls return `action`.
    fn deny(&mut self, numbers: &[i64], action: u32) {
        for &number in numbers {
            self.on(number, action);
        }
    }

    /// What is denied in every program, as [`program`] says.
    fn of_program() -> Filter {
        let mut filter = Filter::new();
        filter.deny(FORKS, errno(libc::EPERM));
        // The C library falls back to clone, whose flags a filter can read.
        filter.on(libc::SYS_clone3, errno(libc::ENOSYS));
        filter.confine();
        filter.deny(&[libc::SYS_unshare, libc::SYS_setns], KILL_PROCESS);
        let own_group = [libc::SYS_tkill, libc::SYS_setsid, libc::SYS_setpgid];
        filter.deny(&own_group, errno(libc::EPERM));
        let handles = [libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal];
        filter.deny(&handles, errno(libc::EPERM));
        let clone = u32::try_from(libc::SYS_clone).expect("system call numbers are small");
        let thread = u32::try_from(libc::CLONE_THREAD).expect("the flag is positive");
        filter.push(JUMP_EQUAL, (0, 4), clone);
        filter.push(LOAD_WORD, (0, 0), ARGUMENTS);
        filter.push(JUMP_ANY_BIT, (0, 1), thread);
        filter.push(RETURN, (0, 0), ALLOW);
        filter.push(RETURN, (0, 0), errno(libc::EPERM));
        for &(number, signal) in SIGNALS {
            let number = u32::try_from(number).expect("system call numbers are small");
            filter.push(JUMP_EQUAL, (0, 6), number);
            filter.push(LOAD_WORD, (0, 0), ARGUMENTS);
            filter.push(JUMP_EQUAL, (0, 3), PID_MARK);
            filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 8 * signal);
            filter.push(JUMP_EQUAL, (1, 0), libc::SIGKILL.unsigned_abs());
            filter.push(RETURN, (0, 0), ALLOW);
            filter.push(RETURN, (0, 0), errno(libc::EPERM));
        }
        filter
    }

    /// Refuses what reaches beyond the process, and what would make a program's death look as if
    /// it came from outside.
    fn confine(&mut self) {
        self.deny(REACHING, errno(libc::EPERM));
        self.deny(REACHING_OLD, errno(libc::EPERM));
        for &(number, index, values) in BY_ARGUMENT {
            let number = u32::try_from(number).expect("system call numbers are small");
            let n_values = u8::try_from(values.len()).expect("a few values");
            self.push(JUMP_EQUAL, (0, n_values + 3), number);
            self.push(LOAD_WORD, (0, 0), ARGUMENTS + 8 * index);
            for (&value, n_left) in values.iter().zip((0..n_values).rev()) {
                self.push(JUMP_EQUAL, (n_left + 1, 0), value);
            }
            self.push(RETURN, (0, 0), ALLOW);
            self.push(RETURN, (0, 0), errno(libc::EPERM));
        }
        // Limits of the process itself, but not its CPU time: the kernel kills at that limit.
        let prlimit = u32::try_from(libc::SYS_prlimit64).expect("system call numbers are small");
        self.push(JUMP_EQUAL, (0, 7), prlimit);
        self.push(LOAD_WORD, (0, 0), ARGUMENTS + 8);
        self.push(JUMP_EQUAL, (3, 0), RLIMIT_CPU);
        self.push(LOAD_WORD, (0, 0), ARGUMENTS);
        self.push(JUMP_EQUAL, (2, 0), 0);
        self.push(JUMP_EQUAL, (1, 0), PID_MARK);
        self.push(RETURN, (0, 0), errno(libc::EPERM));
        self.push(RETURN, (0, 0), ALLOW);
    }

    fn end(mut self) -> Vec<u8> {
        self.push(RETURN, (0, 0), ALLOW);
        self.0
    }
}

fn errno(number: i32) -> u32 {
    ERRNO | u32::try_from(number).expect("error numbers are positive")
}

/// What is denied in a zygote and everything below it.
fn zygote() -> Vec<u8> {
    let mut filter = Filter::new();
    filter.deny(NEVER, KILL_PROCESS);
    filter.deny(REFUSED, errno(libc::EPERM));
    filter.deny(EXECUTIONS, errno(libc::EPERM));
    filter.end()
}

/// What is denied in a program on top: new processes, other namespaces, what reaches beyond the
/// process, signals to others and `SIGKILL` to itself (so that a death by `SIGKILL` is never the program's own doing).
fn program() -> Vec<u8> {
    Filter::of_program().end()
}

/// What is denied in the launcher and everything below it.
fn launcher() -> Vec<u8> {
    let mut filter = Filter::new();
    filter.deny(NEVER, KILL_PROCESS);
    filter.deny(REFUSED, errno(libc::EPERM));
    filter.end()
}

/// What is denied in a program that the launcher starts: as in any, and other programs. The one
/// call that starts the program itself names a descriptor that no program can ever have.
fn launched() -> Vec<u8> {
    let mut filter = Filter::of_program();
    filter.on(libc::SYS_execve, errno(libc::EPERM));
    let number = |call: i64| u32::try_from(call).expect("system call numbers are small");
    // A path of its own would not need the descriptor: the call must name the one empty path, at
    // an address where no program has memory.
    filter.push(JUMP_EQUAL, (0, 8), number(libc::SYS_execveat));
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS);
    filter.push(JUMP_EQUAL, (0, 5), EXECUTABLE);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 8);
    filter.push(JUMP_EQUAL, (0, 3), EMPTY_PATH);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 12);
    filter.push(JUMP_EQUAL, (0, 1), 0);
    filter.push(RETURN, (0, 0), ALLOW);
    filter.push(RETURN, (0, 0), errno(libc::EPERM));
    // And none can get memory there: not by asking, not by moving, not by growing down to it.
    filter.push(JUMP_EQUAL, (0, 9), number(libc::SYS_mmap));
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 24);
    filter.push(JUMP_ANY_BIT, (6, 0), GROWS_DOWN);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 4);
    filter.push(JUMP_EQUAL, (0, 3), 0);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS);
    filter.push(JUMP_AT_LEAST, (1, 0), LOW_MEMORY);
    filter.push(JUMP_EQUAL, (0, 1), 0);
    filter.push(RETURN, (0, 0), ALLOW);
    filter.push(RETURN, (0, 0), errno(libc::EPERM));
    filter.push(JUMP_EQUAL, (0, 8), number(libc::SYS_mremap));
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 24);
    filter.push(JUMP_ANY_BIT, (0, 4), MOVES_TO_PLACE);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 36);
    filter.push(JUMP_EQUAL, (0, 2), 0);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS + 32);
    filter.push(JUMP_AT_LEAST, (0, 1), LOW_MEMORY);
    filter.push(RETURN, (0, 0), ALLOW);
    filter.push(RETURN, (0, 0), errno(libc::EPERM));
    filter.end()
}

/// What is denied in a compiler, which is many processes and programs, on top of the launcher's.
fn compiler() -> Vec<u8> {
    let mut filter = Filter::new();
    filter.on(libc::SYS_clone3, errno(libc::ENOSYS));
    filter.deny(&[libc::SYS_unshare, libc::SYS_setns], KILL_PROCESS);
    filter.deny(&[libc::SYS_setsid, libc::SYS_setpgid], errno(libc::EPERM));
    let clone = u32::try_from(libc::SYS_clone).expect("system call numbers are small");
    filter.push(JUMP_EQUAL, (0, 4), clone);
    filter.push(LOAD_WORD, (0, 0), ARGUMENTS);
    filter.push(JUMP_ANY_BIT, (0, 1), NAMESPACES);
    filter.push(RETURN, (0, 0), errno(libc::EPERM));
    filter.push(RETURN, (0, 0), ALLOW);
    filter.end()
}

/// The filters of a launcher, as its file has them: each with its length in front.
pub(crate) fn launcher_filters() -> Vec<u8> {
    let mut file = Vec::new();
    for filter in [launcher(), launched(), compiler()] {
        file.extend(u32::try_from(filter.len()).expect("filters are short").to_ne_bytes());
        file.extend(filter);
    }
    file
}

/// The filters and the numbers of calls without a C wrapper, as the zygote's plan has them.
pub(crate) fn plan() -> [(&'static str, Value); 6] {
    [
        ("filter_zygote", Value::Bytes(zygote())),
        ("filter_program", Value::Bytes(program())),
        ("sys_pivot_root", Value::Int(libc::SYS_pivot_root)),
        ("sys_landlock_create_ruleset", Value::Int(libc::SYS_landlock_create_ruleset)),
        ("sys_landlock_add_rule", Value::Int(libc::SYS_landlock_add_rule)),
        ("sys_landlock_restrict_self", Value::Int(libc::SYS_landlock_restrict_self)),
    ]
}
