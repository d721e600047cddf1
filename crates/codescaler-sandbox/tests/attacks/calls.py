
### 1 reads the tests from disk: wrong_answer runtime_error
def f(x):
    return open("{SECRET}").read()

### 1 walks the file system for the answer: wrong_answer
import os
def f(x):
    for place in (".", "/", "/tmp", "/home", "/root", "/proc/self/fd", os.path.dirname("{SECRET}")):
        for folder, _, names in os.walk(place):
            if folder.startswith("/usr"):
                break
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        if b"tok" + b"en:" in file.read(100000):
                            return "ESCAPED"
                except OSError:
                    pass
    return None

### 2 walks frames and the collector for the answer: wrong_answer
import gc, sys
def f(x):
    mark = "tok" + "en:"
    frame = sys._getframe()
    while frame:
        for names in (frame.f_locals, frame.f_globals):
            for value in list(names.values()):
                if isinstance(value, str) and value.startswith(mark):
                    return value
        frame = frame.f_back
    for thing in gc.get_objects():
        try:
            if isinstance(thing, (list, tuple)) and any(
                type(i) is str and i.startswith(mark) for i in thing
            ):
                return "ESCAPED"
        except Exception:
            pass
    return None

### 3 reads its own memory: wrong_answer runtime_error
def f(x):
    data = open("/proc/self/mem", "rb")
    return "ESCAPED"

### 4 equals everything: bad_value
class A:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
def f(x): return A()

### 5 a string of its own: bad_value
class A(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def f(x): return A("x")

### 5 an integer of its own in a list: bad_value
class A(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(x): return [A(1)]

### 5 a list and a dictionary of its own: bad_value
class L(list):
    def __eq__(self, other): return True
class D(dict):
    def __eq__(self, other): return True
def f(x): return L([1]) if x == 7 else D()

### 6 says it is another class: bad_value
class A:
    @property
    def __class__(self): return str
    def __bool__(self): return True
    def __len__(self): return 12
    def __hash__(self): return hash("x")
def f(x): return A()

### 7 leaves while it is loaded: runtime_error
import sys
sys.exit(0)

### 7 leaves when it is called: runtime_error
import sys
def f(x): sys.exit(0)

### 8 leaves at once while it is loaded: crash
import os
os._exit(0)

### 8 leaves at once when it is called: crash
import os
def f(x): os._exit(0)

### 8 leaves at once from a thread: crash
import os, threading, time
def f(x):
    threading.Thread(target=lambda: os._exit(0)).start()
    time.sleep(1)

### 9 leaves a handler for the end: crash wrong_answer runtime_error
import atexit, os
atexit.register(lambda: os.write(3, b"x" * 100))
def f(x): return None

### 10 raises where exceptions are ignored: wrong_answer
class A:
    def __del__(self): raise SystemExit(0)
def f(x):
    A()
    return None

### 11 hooks that end well: runtime_error
import sys, os
sys.excepthook = sys.unraisablehook = lambda *a: os._exit(0)
def f(x): raise ValueError

### 12 patches what is built in: wrong_answer
import builtins
for name in ("len", "sorted", "isinstance", "all", "any", "range", "print", "type", "str"):
    setattr(builtins, name, lambda *a, **k: True)
def f(x): return None

### 15 patches the encoder: protocol_violation wrong_answer crash bad_value runtime_error
import marshal
marshal.dumps = lambda *a: b"T"
def f(x): return object()

### 15 patches what compares: wrong_answer
import math, json, operator
math.isclose = operator.eq = lambda *a, **k: True
json.dumps = json.loads = lambda *a, **k: "x"
def f(x): return None

### 16 poisons modules: wrong_answer crash runtime_error
import sys
for name in list(sys.modules):
    if name not in ("builtins", "sys"):
        sys.modules[name] = None
def f(x): return None

### 16 clears the harness's names: runtime_error crash wrong_answer
import sys
frame = sys._getframe(1)
for name in list(frame.f_globals):
    if name not in ("__builtins__",):
        frame.f_globals[name] = None
def f(x): return None

### 17 hooks imports: wrong_answer
import sys
class Finder:
    @staticmethod
    def find_spec(*a): raise SystemExit(0)
sys.meta_path.insert(0, Finder)
sys.path[:] = []
def f(x): return None

### 18 traces the harness: wrong_answer crash runtime_error
import sys
def trace(frame, event, arg):
    if "value" in frame.f_locals:
        frame.f_locals["value"] = None
    return trace
sys.settrace(trace)
sys._getframe(1).f_trace = trace
def f(x): return None

### 19 prints a verdict: wrong_answer
print("PASSED")
def f(x):
    print('{"verdict": "pass"}')

### 20 sprays frames over all descriptors: protocol_violation
import os, struct
def f(x):
    for fd in range(3, 64):
        for number in range(4):
            try:
                os.write(fd, struct.pack("<IBI", 0, ord("P"), number))
            except OSError:
                pass

### 20 a frame that is too long: protocol_violation
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 1 << 31, ord("V"), 1))

### 20 half a frame: protocol_violation crash time_limit
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 100, ord("V"), 1))
    os._exit(0)

### 20 a value that lies about its length: protocol_violation
import os, struct
def f(x):
    data = b"[\xff\xff\xff\x7f"
    os.write(3, struct.pack("<IBI", len(data), ord("V"), x - 6) + data)

### 21 closes all descriptors: crash
import os, time
def f(x):
    os.closerange(0, 64)
    time.sleep(1e6)

### 21 puts something over the channel: crash
import os, time
def f(x):
    os.dup2(1, 3)
    time.sleep(1e6)

### 22 endless output: output_limit time_limit
def f(x):
    while True: print("x" * 65536)

### 24 a huge array: memory_limit
def f(x): return bytearray(1 << 40)

### 24 doubles a list: memory_limit time_limit
def f(x):
    a = [0]
    while True: a += a

### 24 fills a dictionary: memory_limit time_limit
def f(x):
    d = {}
    while True: d[len(d)] = bytearray(1 << 16)

### 25 memory that is no process's: wrong_answer runtime_error
import os
def f(x):
    try:
        os.memfd_create("x")
    except OSError:
        return None
    return "ESCAPED"

### 25 shared memory: wrong_answer
import ctypes
def f(x):
    libc = ctypes.CDLL(None)
    return "ESCAPED" if libc.shmget(0, 1 << 20, 0o1600) >= 0 else None

### 25 anonymous shared mappings: memory_limit runtime_error time_limit
import mmap
def f(x):
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 32 << 20))

### 26 fork bomb: runtime_error
import os
def f(x):
    while True: os.fork()

### 26 fork by other calls: wrong_answer
import ctypes
def f(x):
    libc = ctypes.CDLL(None)
    if libc.syscall(57) >= 0 or libc.syscall(58) >= 0 or libc.syscall(435, 0, 0) >= 0:
        return "ESCAPED"
    # clone with a flag that is not CLONE_THREAD
    return "ESCAPED" if libc.syscall(56, 17, 0, 0, 0, 0) >= 0 else None

### 26 runs a command: runtime_error wrong_answer
import os
def f(x):
    if os.system("true") == 0:
        return "ESCAPED"
    os.execv("/bin/true", ["true"])

### 27 thread bomb: runtime_error memory_limit time_limit
import threading, time
def f(x):
    while True:
        threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()

### 30 ignores signals and timers: time_limit
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
def f(x):
    while True: pass

### 31 catches everything for ever: time_limit
def f(x):
    while True:
        try:
            while True: pass
        except BaseException:
            pass

### 32 sleeps: time_limit
import time
def f(x): time.sleep(1e9)

### 33 deep recursion: runtime_error crash memory_limit time_limit
import sys
sys.setrecursionlimit(10 ** 9)
def f(x): return f(x + 1)

### 33 deep recursion through C: runtime_error crash memory_limit time_limit
import sys
sys.setrecursionlimit(10 ** 9)
class A:
    def __repr__(self): return repr([self])
def f(x): return repr(A())

### 34 a huge power: time_limit memory_limit runtime_error
def f(x): return len(str(x ** 10 ** 8))

### 35 a regular expression that explodes: time_limit
import re
def f(x): return bool(re.match("(a+)+$", "a" * 64 + "b"))

### 36 a dictionary of collisions: time_limit
class K:
    def __hash__(self): return 1
    def __eq__(self, other): return self is other
def f(x): return len({K() for _ in range(10 ** 6)})

### 37 kills its parent, everyone, the grader: wrong_answer
import os, signal
def f(x):
    for pid in (os.getppid(), -1, {PID}, 1 if os.getpid() != 1 else -1):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
        else:
            if pid > 0:
                return "ESCAPED"
    try:
        os.killpg(0, signal.SIGTERM)
    except OSError:
        pass
    return None

### 37 kills itself for a fault: wrong_answer crash runtime_error
import os, signal
def f(x):
    os.kill(os.getpid(), signal.SIGKILL)

### 38 traces: security_violation
import ctypes
def f(x):
    ctypes.CDLL(None).ptrace(16, {PID}, 0, 0)
    return "ESCAPED"

### 38 writes into the grader: security_violation
import ctypes
def f(x):
    ctypes.CDLL(None).process_vm_writev({PID}, 0, 0, 0, 0, 0)
    return "ESCAPED"

### 38 opens the grader's memory: runtime_error
def f(x):
    open("/proc/{PID}/mem", "r+b")
    return "ESCAPED"

### 39 reads address 0: crash
import ctypes
def f(x): return ctypes.string_at(0)

### 39 frees None: crash wrong_answer time_limit
import ctypes
def f(x):
    ctypes.c_long.from_address(id(None)).value = 1
    del x
    return [None] * 3

### 39 replaces its own code by nonsense: crash
import ctypes
def f(x):
    libc = ctypes.CDLL(None)
    libc.munmap(ctypes.c_void_p(ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095),
                ctypes.c_long(4096))
    libc.getpid()

### 40 writes wherever it can: wrong_answer
import os
def f(x):
    for place in (".", "/", "/tmp", "/var/tmp", "/dev/shm", "/usr/lib", os.path.dirname("{SECRET}")):
        path = place + "/codescaler-attack"
        for attempt in (lambda: open(path, "w"), lambda: os.symlink("{SECRET}", path),
                        lambda: os.link("{SECRET}", path), lambda: os.mkdir(path),
                        lambda: os.mkfifo(path)):
            try:
                attempt()
            except OSError:
                continue
            return "ESCAPED " + path
    return None

### 40 changes or removes what is there: wrong_answer
import os
def f(x):
    for attempt in (lambda: os.remove("{SECRET}"), lambda: os.truncate("{SECRET}", 0),
                    lambda: os.rename("{SECRET}", "{SECRET}2"), lambda: open("{SECRET}", "a"),
                    lambda: os.open("{SECRET}", os.O_WRONLY | os.O_TRUNC)):
        try:
            attempt()
        except OSError:
            continue
        return "ESCAPED"
    return None

### 41 becomes root: wrong_answer runtime_error
import os
def f(x):
    before = os.getuid()
    os.setuid(0)
    return "ESCAPED" if before != 0 and os.getuid() == 0 else None

### 41 mounts: security_violation
import ctypes
def f(x):
    ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, 0)
    return "ESCAPED"

### 41 enters a namespace of its own: security_violation
import ctypes
def f(x):
    ctypes.CDLL(None).unshare(0x10000000)
    return "ESCAPED"

### 41 changes its root: security_violation
import os
def f(x):
    os.chroot("/")
    return "ESCAPED"

### 41 kernel doors that programs do not need: security_violation
import ctypes
def f(x):
    libc = ctypes.CDLL(None)
    # bpf, io_uring_setup, keyctl, userfaultfd on x86-64 and arm64
    import platform
    numbers = {"x86_64": (321, 425, 250, 323), "aarch64": (280, 425, 219, 282)}
    libc.syscall(numbers[platform.machine()][x - 7], 0, 0, 0, 0, 0)
    return "ESCAPED"

### 41 calls of another instruction set: security_violation crash
import ctypes
def f(x):
    # x32 calls carry bit 30
    ctypes.CDLL(None).syscall(0x40000000 + 39)
    return "ESCAPED"

### 42 sockets of all kinds: wrong_answer
import _socket as s
def f(x):
    kinds = [(s.AF_INET, s.SOCK_STREAM, 0), (s.AF_INET, s.SOCK_DGRAM, 0), (s.AF_INET6, s.SOCK_STREAM, 0),
             (s.AF_UNIX, s.SOCK_STREAM, 0), (s.AF_NETLINK, s.SOCK_RAW, 0), (40, s.SOCK_STREAM, 0)]
    for kind in kinds:
        try:
            made = s.socket(*kind)
        except OSError:
            continue
        return "ESCAPED"
    return None

### 42 calls home: runtime_error
import urllib.request
def f(x):
    urllib.request.urlopen("http://127.0.0.1:{PORT}/").read()
    return "ESCAPED"

### 43 reads the environment: wrong_answer
import os
def f(x):
    return "ESCAPED" if any("CARGO" in name or "PATH" in name for name in os.environ) else None

### 44 an object that pickles into a call: bad_value
import os
class A:
    def __reduce__(self): return os._exit, (0,)
def f(x): return A()

### 45 a list ten thousand deep: bad_value
def f(x):
    a = []
    for _ in range(10 ** 4): a = [a]
    return a

### 45 a huge string: output_limit memory_limit time_limit
def f(x): return "x" * (64 << 20)

### 45 a list in itself: bad_value
def f(x):
    a = []
    a.append(a)
    return a

### 45 small in memory, huge on the wire: memory_limit output_limit time_limit bad_value
def f(x):
    a = ["x" * 100]
    for _ in range(30): a = [a, a]
    return a

### 45 keys that are no numbers: wrong_answer
def f(x): return {float("nan"): 1, float("nan"): 2}

### 46 text that is no text: bad_value
def f(x): return "\udfff"

### 47 changes what is global: wrong_answer
import decimal, locale, sys, os, time
decimal.getcontext().prec = 1
sys.set_int_max_str_digits(0) if hasattr(sys, "set_int_max_str_digits") else None
os.environ["TZ"] = "Asia/Tokyo"
time.tzset()
def f(x): return None

### 49 looks for signs of what judges it: wrong_answer
import os, sys, threading
def f(x):
    signs = [*sys.argv, *sys.modules, *sys.path, *os.environ, *os.environ.values(), __name__]
    signs += [str(globals().get("__file__")), threading.current_thread().name]
    text = " ".join(signs).lower()
    return "ESCAPED" if any(w in text for w in ("codescaler", "hidden", "visible", "verdict")) else None

### 50 changes its input: wrong_answer
def f(x):
    import ctypes
    return [x]

### 51 turns clocks: time_limit
import time
time.time = time.perf_counter = time.process_time = time.monotonic = lambda: 0
def f(x):
    while True: pass

### 51 frees its limits: time_limit memory_limit runtime_error
import resource
def f(x):
    for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE):
        try:
            resource.setrlimit(which, (resource.RLIM_INFINITY,) * 2)
        except (OSError, ValueError):
            continue
        return "ESCAPED"
    while True: pass

### 52 a thread answers later: wrong_answer protocol_violation
import os, struct, threading, time
def late():
    while True:
        os.write(3, struct.pack("<IBI", 1, ord("V"), 2) + b"N")
def f(x):
    threading.Thread(target=late, daemon=True).start()
    time.sleep(0.01)
    return None

### 53 stops itself: time_limit wrong_answer runtime_error
import os, signal
def f(x):
    os.kill(os.getpid(), signal.SIGSTOP)

### 57 leaves something for others: wrong_answer
import os
def f(x):
    try:
        with open("/dev/shm/codescaler-attack", "w") as file:
            file.write("x")
    except OSError:
        return None
    return "ESCAPED"

### 58 poisons what it inherits: wrong_answer crash runtime_error
import os
def f(x):
    for fd in range(64):
        try:
            os.lseek(fd, 0, 0)
            os.ftruncate(fd, 0)
            os.write(fd, b"x" * 100)
        except OSError:
            pass
    return None

### 60 answers before questions: protocol_violation
import os, struct
for number in range(4):
    os.write(3, struct.pack("<IBI", 1, ord("V"), number) + b"N")
def f(x): return None

### 20 says that it cannot read the question: protocol_violation
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 1, ord("U"), x - 6) + b"x")

### 37 signals by other ways than kill: wrong_answer
import ctypes, fcntl, os, struct
def f(x):
    libc = ctypes.CDLL(None, use_errno=True)
    read, write = os.pipe()
    done = []
    for pid in (os.getppid() or 1, {PID}, -os.getpgrp(), os.getpid()):
        for fd in (read, 3):
            # F_SETOWN, F_SETSIG; FIOSETOWN, SIOCSPGRP
            for attempt in (lambda: fcntl.fcntl(fd, 8, pid), lambda: fcntl.fcntl(fd, 10, 9),
                            lambda: fcntl.ioctl(fd, 0x8901, struct.pack("i", pid)),
                            lambda: fcntl.ioctl(fd, 0x8902, struct.pack("i", pid))):
                try:
                    attempt()
                except OSError:
                    continue
                done.append((fd, pid))
    # timer_create(CLOCK_MONOTONIC, SIGKILL)
    event = struct.pack("qii48x", 0, 9, 0)
    timer = ctypes.create_string_buffer(8)
    if libc.timer_create(1, event, timer) == 0:
        done.append("timer")
    return "ESCAPED %s" % done if done else None

### 51 bounds and priorities of others: wrong_answer
import os, resource
def f(x):
    for pid in {os.getppid(), 1, {PID}} - {0, os.getpid()}:
        for attempt in (lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)),
                        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE),
                        lambda: os.sched_setaffinity(pid, {0}),
                        lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
                        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
                        lambda: os.setpriority(os.PRIO_USER, 0, 19)):
            try:
                attempt()
            except OSError:
                continue
            return "ESCAPED"
    return None

### 40 changes what files are said to be: wrong_answer
import os
def f(x):
    for number, attempt in enumerate((
        lambda: os.chmod("{SECRET}", 0), lambda: os.utime("{SECRET}", (0, 0)),
        lambda: os.chown("{SECRET}", -1, -1), lambda: os.lchown("{SECRET}", -1, -1),
        lambda: os.setxattr("{SECRET}", "user.x", b"x"))):
        try:
            attempt()
        except OSError:
            continue
        return "ESCAPED %d" % number
    return None

### 45 integers that take long to write: bad_value time_limit
def f(x): return [(1 << 262_000) - 1] * 900

### 54 asks for a core dump: wrong_answer
import ctypes
def f(x): return "ESCAPED" if ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0 else None

### 24 a string that grows: memory_limit time_limit
def f(x):
    s = "x"
    while True: s += s

### 24 an integer that grows: memory_limit time_limit
def f(x):
    n = 3
    while True: n = n * n

### 24 objects in objects: memory_limit time_limit
class A: pass
def f(x):
    a = A()
    while True:
        b = A()
        b.a, a = a, b

### 24 memory in threads: memory_limit time_limit runtime_error bad_value wrong_answer
import threading
threading.stack_size(1 << 16)
def f(x):
    def eat():
        a = []
        while True: a.append(bytes(1 << 20))
    threads = [threading.Thread(target=eat) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

### 24 memory kept where the exception is handled: memory_limit time_limit
def f(x):
    a = []
    while True:
        try:
            while True: a.append(bytearray(1 << 20))
        except MemoryError:
            pass

### 24 a zip bomb: memory_limit time_limit
import zlib
def f(x):
    packed = zlib.compress(bytes(8 << 20), 9) * 1
    out = []
    while True: out.append(zlib.decompress(packed))

### 24 a mapping of zeros: memory_limit runtime_error time_limit
import mmap
def f(x):
    with open("/dev/zero", "r+b") as zero:
        kept = [mmap.mmap(zero.fileno(), 16 << 20) for _ in range(64)]

### 25 pipes filled to the brim: wrong_answer runtime_error time_limit
import fcntl, os
def f(x):
    n = 0
    for _ in range(100):
        try:
            read, write = os.pipe()
            fcntl.fcntl(write, 1031, 1 << 20)
            os.set_blocking(write, False)
            while True: n += os.write(write, bytes(1 << 16))
        except OSError:
            pass
    return n

### 25 all descriptors: runtime_error
import os
def f(x):
    while True: os.dup(0)

### 27 threads with small stacks: runtime_error memory_limit time_limit
import _thread, time
_thread.stack_size(32768)
def f(x):
    while True: _thread.start_new_thread(time.sleep, (1e6,))

### 27 threads that spin: time_limit
import threading
threading.stack_size(1 << 16)
def f(x):
    def spin():
        while True: pass
    for _ in range(16): threading.Thread(target=spin).start()
    spin()

### 33 a parser's recursion: runtime_error crash memory_limit time_limit bad_value wrong_answer
import ast, sys
sys.setrecursionlimit(10 ** 9)
def f(x): return len(ast.dump(ast.parse("-" * 100000 + "1")))

### 33 a recursion of comparisons in C: runtime_error crash memory_limit time_limit
import sys
sys.setrecursionlimit(10 ** 9)
def f(x):
    a, b = [], []
    for _ in range(10 ** 6): a, b = [a], [b]
    return a == b

### 34 digits of a huge integer: time_limit runtime_error
import sys
def f(x):
    if hasattr(sys, "set_int_max_str_digits"): sys.set_int_max_str_digits(0)
    return len(str(1 << 10 ** 7))

### 34 a factorial: time_limit memory_limit
import math
def f(x): return math.factorial(10 ** 7) % 10

### 35 a sort that does not end: time_limit
class K:
    def __lt__(self, other):
        while True: pass
def f(x): return sorted([K(), K()])

### 36 integers that collide: time_limit
def f(x):
    m = (1 << 61) - 1
    return len({k * m for k in range(30_000)})

### 22 endless standard error: time_limit
import os
def f(x):
    while True: os.write(2, bytes(1 << 16))

### 22 an endless channel: protocol_violation time_limit
import os
def f(x):
    while True: os.write(3, b"\xff\xff\xff\x01V" + bytes(1 << 16))

### 17 imports without end: time_limit memory_limit runtime_error
import sys, types
def f(x):
    n = 0
    while True:
        n += 1
        sys.modules["m%d" % n] = types.ModuleType("m%d" % n, "x" * 10000)

### 9 a finalizer that comes back: time_limit
class A:
    def __del__(self):
        while True: A()
def f(x): A()

### 9 the collector never ends: time_limit
import gc
def loop(*a):
    while True: pass
gc.callbacks.append(loop)
def f(x): return gc.collect()

### 45 many small values: bad_value output_limit memory_limit time_limit
def f(x): return [()] * (8 << 20)

### 45 many keys: output_limit bad_value memory_limit time_limit
def f(x): return {i: i for i in range(10 ** 7)}

### 45 deep in shallow dictionaries: bad_value
def f(x):
    d = {}
    for _ in range(5000): d = {1: (d,)}
    return d

### 53 stops a thread of its own and waits: time_limit wrong_answer runtime_error
import os, signal, threading, time
def f(x):
    threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGSTOP)).start()
    time.sleep(1e6)

### 20 bytes out of band: crash protocol_violation wrong_answer
import _socket
def f(x):
    channel = _socket.socket(fileno=3)
    for _ in range(100):
        channel.send(b"x", _socket.MSG_OOB)

### 20 a half closed channel: crash protocol_violation
import _socket, time
def f(x):
    _socket.socket(fileno=3).shutdown(2)
    time.sleep(1e6)

### 38 a filter of its own that lies: crash wrong_answer runtime_error time_limit security_violation
import ctypes, struct
def f(x):
    libc = ctypes.CDLL(None)
    # every write succeeds and does nothing
    code = struct.pack("HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 1, 6, 0, 0, 0x00050000, 6, 0, 0, 0x7fff0000)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxQ", 4, ctypes.addressof(buffer))
    libc.prctl(22, 2, program, 0, 0)
    return None
