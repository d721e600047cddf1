# Locks a process in. The first half runs once per zygote, `enter` once per program.
#
# Everything here is best effort towards a *plan* that the supervisor sends; a step that fails ends
# the process with the step's name, and the supervisor plans again without it. What really holds is
# found out afterwards, from inside, by a program that tries to break every rule.

import ctypes
import os
import resource
import signal

C = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 4096, 16384, 1 << 18, 1 << 21
MNT_DETACH = 2
ST_KEPT, ST_RELATIME = 1 | 2 | 4 | 8 | 1024 | 2048, 4096

NOBODY = 65534
# Where the zygote keeps its own descriptors, out of the way of those that come and go.
CONTROL, PID_NAMESPACE = 60, 61
OPEN_FILES_MAX = 64
FILE_BYTES_MAX = 16 << 20
# For compilers and what they make: the launcher keeps executables above the descriptors of programs.
WORK_BYTES_MAX, LAUNCHER_FILES_MAX = 256 << 20, 256
WORK_OPTIONS = "size=256m,nr_inodes=16k,mode=700"
STACK_BYTES_MAX = 64 << 20
THREADS_MAX = 64


class Step(Exception):
    """A layer that could not be put in place: its name, then why."""


def checked(result, what):
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def c_long(value):
    return ctypes.c_long(value)


def syscall(number, *args):
    words = [c_long(a) if isinstance(a, int) else a for a in args]
    return checked(C.syscall(c_long(number), *words), f"system call {number}")


def prctl(option, value, pointer=None):
    zero = c_long(0)
    third = zero if pointer is None else pointer
    return checked(C.prctl(option, c_long(value), third, zero, zero), f"prctl {option}")


def mount(source, target, kind, flags, data=None):
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = C.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    checked(result, f"mount {target}")


def library_paths():
    """What an interpreter reads while it runs: its own modules, shared libraries, time zones."""
    import sys

    wanted = [p for p in sys.path if os.path.isdir(p)] + PLAN["toolchains"]
    wanted += [os.path.join(sys.base_prefix, "lib")]
    wanted += ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo"]
    kept = []
    for path in sorted(set(wanted), key=len):
        if os.path.exists(path) and not any(path.startswith(k + "/") for k in kept):
            kept.append(path)
    return kept


DEVICES = ["/dev/null", "/dev/zero", "/dev/urandom"]


def new_namespaces():
    """Moves into fresh user, pid, net, ipc, uts and mount namespaces, and comes back as pid 1.

    Only this process goes on; the one that was called stays behind to reap it.
    """
    uid, gid = os.geteuid(), os.getegid()
    ready_read, ready_write = os.pipe()
    me = os.getpid()
    helper = os.fork()
    if helper == 0:
        # The helper stays in the old namespace, where it may write the maps of the new one.
        status = 1
        try:
            os.close(ready_write)
            if os.read(ready_read, 1) == b"u":
                write_maps(me, uid, gid)
                status = 0
        finally:
            os._exit(status)
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    try:
        try:
            os.setgroups([])
        except OSError:
            pass
        checked(C.unshare(flags), "unshare")
        os.write(ready_write, b"u")
    finally:
        os.close(ready_read)
        os.close(ready_write)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError(1, "the user and group maps cannot be written")
    # In the new mount namespace already, but not yet as a user who may go nowhere.
    opened = open_libraries()
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    inner = os.fork()
    if inner != 0:
        os.closerange(0, OPEN_FILES_MAX)
        os.waitpid(inner, 0)
        os._exit(0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    fd = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(fd, PID_NAMESPACE, inheritable=False)
    os.close(fd)
    build_root(opened)


def write_maps(pid, uid, gid):
    """Makes nobody inside nobody outside; without the privilege for that, ourselves outside."""
    with open(f"/proc/{pid}/setgroups", "w") as file:
        file.write("deny")
    for name, own in (("gid_map", gid), ("uid_map", uid)):
        try:
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write(f"{NOBODY} {NOBODY} 1")
        except OSError:
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write(f"{NOBODY} {own} 1")


def open_libraries():
    """Libraries and devices by path, opened while we may still go everywhere."""
    return {
        path: os.open(path, os.O_PATH | os.O_CLOEXEC)
        for path in library_paths() + DEVICES + ["/etc/ld.so.cache"]
        if os.path.exists(path)
    }


def build_root(opened):
    """Replaces the file system by a read-only one with nothing but libraries and three devices."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    links = {path: os.readlink(path) for path in opened if os.path.islink(path)}
    base = next(p for p in ("/tmp", "/mnt", "/var", "/run", "/opt") if os.path.isdir(p))
    mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=1k,mode=755")
    for path, fd in opened.items():
        source, target = f"/proc/self/fd/{fd}", base + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if path in links:
            os.symlink(links[path], target)
            continue
        if os.path.isdir(source):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
        mount(source, target, None, MS_BIND | MS_REC)
        flags = os.statvfs(target).f_flag
        kept = (flags & ST_KEPT) | (MS_RELATIME if flags & ST_RELATIME else 0)
        if not path.startswith("/dev/"):
            mount(None, target, None, kept | MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for fd in opened.values():
        os.close(fd)
    if PLAN["work"]:
        os.mkdir(base + PLAN["work"])
        mount("tmpfs", base + PLAN["work"], "tmpfs", MS_NOSUID | MS_NODEV, WORK_OPTIONS)
    mount(None, base, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chdir(base)
    syscall(PLAN["sys_pivot_root"], ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    checked(C.umount2(b".", MNT_DETACH), "umount the old root")
    os.chdir("/")


FS_EXECUTE, FS_READ = 1 << 0, (1 << 2) | (1 << 3)
FS_WRITE_FILE = 1 << 1


def landlock_version():
    return syscall(PLAN["sys_landlock_create_ruleset"], 0, 0, 1)


def landlock():
    """No file but libraries can be opened, nothing written, no TCP, no signal to the outside."""
    version = landlock_version()
    handled = (1 << 13) - 1
    for since, bit in ((2, 13), (3, 14), (5, 15)):
        if version >= since:
            handled |= 1 << bit
    words = [handled]
    if version >= 4:
        words.append(3)
    if version >= 6:
        words.append(3)
    rules = (ctypes.c_uint64 * len(words))(*words)
    ruleset = syscall(PLAN["sys_landlock_create_ruleset"], rules, 8 * len(words), 0)
    execute = FS_EXECUTE if PLAN["toolchains"] else 0
    allowed = [(p, FS_READ | execute) for p in library_paths() + ["/etc/ld.so.cache"]]
    allowed += [(p, (1 << 2) | FS_WRITE_FILE) for p in DEVICES]
    if PLAN["work"]:
        allowed.append((PLAN["work"], handled))
    for path, access in allowed:
        if not os.path.exists(path):
            continue
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not os.path.isdir(path):
            access &= ~(1 << 3)
        rule = access.to_bytes(8, "little") + fd.to_bytes(4, "little", signed=True)
        syscall(PLAN["sys_landlock_add_rule"], ruleset, 1, ctypes.c_char_p(rule), 0)
        os.close(fd)
    syscall(PLAN["sys_landlock_restrict_self"], ruleset, 0)
    os.close(ruleset)


class Program(ctypes.Structure):
    """A seccomp filter as the kernel wants it."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def seccomp(instructions):
    program = Program(len(instructions) // 8, instructions)
    prctl(PR_SET_SECCOMP, 2, ctypes.byref(program))


class ForkPlan(ctypes.Structure):
    """What all forks of this zygote have in common; see `Plan` in `native/zygote.rs`."""

    _fields_ = [
        ("pid_namespace", ctypes.c_int),
        ("seccomp", ctypes.c_int),
        ("open_files_max", ctypes.c_int),
        ("threads_max", ctypes.c_uint64),
        ("filter", ctypes.c_char_p),
        ("filter_bytes", ctypes.c_size_t),
        ("before_fork", ctypes.c_void_p),
        ("after_fork_in_child", ctypes.c_void_p),
    ]


def fork_plan():
    filter_ = PLAN["filter_program"]
    return ForkPlan(
        PID_NAMESPACE if PLAN["namespaces"] else -1,
        PLAN["seccomp"],
        OPEN_FILES_MAX,
        THREADS_MAX,
        filter_,
        len(filter_),
        ctypes.cast(ctypes.pythonapi.PyOS_BeforeFork, ctypes.c_void_p),
        ctypes.cast(ctypes.pythonapi.PyOS_AfterFork_Child, ctypes.c_void_p),
    )


class ArenaAllocator(ctypes.Structure):
    """`PyObjectArenaAllocator` of the interpreter."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "alloc", "free")]


def memory_file(content):
    fd = os.memfd_create("codescaler", 0)
    os.write(fd, content)
    return fd


def load_native():
    """The native part of a zygote."""
    fd = memory_file(PLAN["native"])
    native = ctypes.PyDLL(f"/proc/self/fd/{fd}")
    os.close(fd)
    return native


def use_arenas(native):
    """From here on the native part gives the interpreter its memory."""
    functions = [native.arena_alloc, native.arena_free]
    pointers = [ctypes.cast(function, ctypes.c_void_p) for function in functions]
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(ArenaAllocator(None, *pointers)))


def move_away():
    """Moves into namespaces of its own, or at least away from the user who called.

    This forks, so it comes before there is much that a fork would share.
    """
    if PLAN["namespaces"]:
        try:
            new_namespaces()
        except OSError as error:
            raise Step("namespaces", str(error)) from error
        return
    os.chdir("/")
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError:
            pass


def confine_zygote():
    """Puts in place, once, what all programs of this zygote share."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, WORK_BYTES_MAX if PLAN["work"] else FILE_BYTES_MAX)
    limit(resource.RLIMIT_NOFILE, LAUNCHER_FILES_MAX if PLAN["work"] else OPEN_FILES_MAX)
    limit(resource.RLIMIT_STACK, STACK_BYTES_MAX)
    if PLAN["landlock"]:
        try:
            landlock()
        except OSError as error:
            raise Step("landlock", str(error)) from error
    if PLAN["seccomp"]:
        try:
            seccomp(PLAN["filter_zygote"])
        except OSError as error:
            raise Step("seccomp", str(error)) from error


def limit(which, value):
    """Lowers a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))
