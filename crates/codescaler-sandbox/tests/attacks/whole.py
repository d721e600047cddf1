
### 9 an exit handler ends well: wrong_answer
import atexit, os
atexit.register(os._exit, 0)

### 11 an exception hook hides the exception: runtime_error
import sys, os
sys.excepthook = lambda *a: os._exit(0)
raise ValueError

### 11 an unraisable hook: wrong_answer
import sys, os
sys.unraisablehook = lambda *a: os._exit(0)
class A:
    def __del__(self): raise ValueError
A()

### 19 a verdict on standard output: wrong_answer
print("PASSED")
print('{"verdict": "pass"}')

### 22 endless output: output_limit time_limit
while True:
    print("x" * 65536)

### 22 endless output by byte: output_limit time_limit
import os
while True:
    os.write(1, b"x")

### 22 endless standard error: time_limit
import os
while True:
    os.write(2, b"x" * 65536)

### 23 output without newline, then nothing: time_limit
import sys, time
sys.stdout.write("token")
sys.stdout.flush()
time.sleep(1e6)

### 24 memory by doubling: memory_limit time_limit
a = [0]
while True:
    a = a + a

### 26 fork bomb: runtime_error
import os
while True:
    os.fork()

### 28 double fork and a session of its own: runtime_error
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1e6)
    os._exit(0)

### 28 a child by subprocess: runtime_error
import subprocess
subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)

### 29 endless loop: time_limit
while True:
    pass

### 32 waits for itself: time_limit
import threading
threading.Event().wait()

### 32 waits for input that does not come: wrong_answer
import sys
sys.stdin.read()
sys.stdin.read()

### 37 kills its parent: wrong_answer runtime_error
import os
for pid in (os.getppid(), 1, -1, {PID}):
    try:
        os.kill(pid, 9)
    except OSError:
        pass
    else:
        if pid > 1:
            print("ESCAPED")

### 46 bytes that are no text: wrong_answer
import sys
sys.stdout.buffer.write(b"token:5f0c7a\xff\n")

### 46 the answer between NUL and marks: wrong_answer
print("\ufefftoken:5f0c7\x00a\u202e")

### 48 answers remembered from the test before: wrong_answer
import os
try:
    print(open("/tmp/codescaler-attack").read())
except OSError:
    pass
try:
    open("/tmp/codescaler-attack", "w").write("x")
except OSError:
    pass

### 53 stops itself: time_limit wrong_answer
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)

### 54 aborts, which would dump core: crash
import os, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.abort()

### 40 reads the answer by standard input's directory: runtime_error
print(open("{SECRET}").read())

### 40 writes a file: runtime_error
open("codescaler-attack", "w").write("x")

### 8 leaves before it says anything: wrong_answer
import os
os._exit(0)

### 39 closes its descriptors: wrong_answer runtime_error
import os
os.closerange(0, 64)
print("token")

### 51 bounds of what serves the next test: wrong_answer
import os, resource
for pid in {os.getppid(), 1} - {0, os.getpid()}:
    for attempt in (lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)),
                    lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
                    lambda: os.sched_setaffinity(pid, {0})):
        try:
            attempt()
        except OSError:
            continue
        print("ESCAPED")

### 37 a timer that kills: wrong_answer crash
import ctypes, struct, time
libc = ctypes.CDLL(None)
timer = ctypes.create_string_buffer(8)
if libc.timer_create(1, struct.pack("qii48x", 0, 9, 0), timer) == 0:
    libc.timer_settime(ctypes.c_long(int.from_bytes(timer.raw[:4], "little")), 0, struct.pack("qqqq", 0, 0, 0, 1000), 0)
    time.sleep(1)

### 37 a pipe that kills: wrong_answer crash
import fcntl, os
read, write = os.pipe()
for command, value in ((8, os.getpid()), (10, 9), (fcntl.F_SETFL, os.O_ASYNC)):
    try:
        fcntl.fcntl(read, command, value)
    except OSError:
        pass
os.write(write, b"x")

### 9 a handler that never ends: time_limit
import atexit
def loop():
    while True: pass
atexit.register(loop)

### 9 a thread that never ends: time_limit
import threading, time
threading.Thread(target=time.sleep, args=(1e6,)).start()

### 27 thread bomb: runtime_error memory_limit time_limit
import _thread, time
_thread.stack_size(32768)
while True:
    _thread.start_new_thread(time.sleep, (1e6,))

### 24 memory kept where the exception is handled: memory_limit time_limit
a = []
while True:
    try:
        while True:
            a.append(bytearray(1 << 20))
    except MemoryError:
        pass

### 33 deep recursion: runtime_error crash memory_limit time_limit
import sys
sys.setrecursionlimit(10 ** 9)
def f(x): return f(x + 1)
f(0)

### 30 ignores signals: time_limit
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass

### 54 a crash inside a crash handler: crash
import ctypes, faulthandler
faulthandler.enable()
ctypes.string_at(0)

### 23 closes its output and goes on: time_limit
import os, time
os.close(1)
time.sleep(1e6)

### 20 looks for a channel: wrong_answer
import os
for fd in range(3, 64):
    try:
        os.fstat(fd)
    except OSError:
        continue
    print("ESCAPED")
