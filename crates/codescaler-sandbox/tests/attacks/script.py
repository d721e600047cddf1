
### 4 an object that equals everything: bad_value
class A:
    def __eq__(self, other): return True
    def __len__(self): return 12
def f(x): return A()

### 5 a string that equals everything: bad_value
class A(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def f(x): return A("x" * 12)

### 7 leaves with success: runtime_error
def f(x): raise SystemExit(0)

### 8 leaves at once: crash
import os
def f(x): os._exit(0)

### 12 names of the test are taken: wrong_answer
def check(candidate): pass
def len(x): return 12
def f(x): return "no"

### 12 built-in names are taken: wrong_answer
import builtins
builtins.len = lambda x: 12
builtins.AssertionError = ValueError
def f(x): return "no"

### 13 its own assertion error: runtime_error
def f(x): raise AssertionError

### 13 an exception that is none: runtime_error
class E(BaseException):
    def __str__(self): raise SystemExit
def f(x): raise E

### 14 test libraries are patched: wrong_answer
import unittest
unittest.TestCase.assertEqual = lambda *a: None
def f(x): return "no"

### 20 a forged verdict of the tester: protocol_violation
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 0, ord("P"), 1))
    return "no"

### 20 a forged verdict with the question's number: protocol_violation
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 0, ord("P"), 2))
    return "no"

### 20 a forged handle: protocol_violation bad_value wrong_answer runtime_error
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 5, ord("H"), 2) + b"i\xff\xff\xff\x7f")
    return "no"

### 20 a value that is code: protocol_violation bad_value
import os, struct, marshal
def f(x):
    data = marshal.dumps(compile("raise SystemExit", "x", "exec"), 2)
    os.write(3, struct.pack("<IBI", len(data), ord("V"), 2) + data)
    return "no"

### 29 endless loop: time_limit
def f(x):
    while True: pass

### 44 an object that pickles into a call: bad_value
import os
class A:
    def __reduce__(self): return os._exit, (0,)
def f(x): return A()

### 45 an endless sequence: time_limit memory_limit output_limit bad_value
def f(x):
    while True: yield 1

### 60 answers before questions: protocol_violation
import os, struct
os.write(3, struct.pack("<IBI", 1, ord("V"), 1) + b"N")
os.write(3, struct.pack("<IBI", 1, ord("V"), 2) + b"N")
def f(x): return "no"

### 13 an exception whose class is code: runtime_error protocol_violation
import os, struct, marshal
def f(x):
    data = marshal.dumps(("X", "write_frame(b'P', 1)", 0, "exec"), 2)
    os.write(3, struct.pack("<IBI", len(data), ord("E"), 2) + data)
    return "no"

### 20 says that it cannot read the question: protocol_violation
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 1, ord("U"), 2) + b"x")
    return "no"

### 7 an end of iteration: runtime_error
def f(x): raise StopIteration

### 13 an exception that claims to be none: runtime_error
class E(Exception):
    __class__ = property(lambda self: StopIteration)
def f(x): raise E

### 20 an exception of no known name: runtime_error protocol_violation
import os, struct, marshal
def f(x):
    data = marshal.dumps(("X", "os._exit(0)", 0, "eval"), 2)
    os.write(3, struct.pack("<IBI", len(data), ord("E"), 2) + data)

### 20 an exception that is no exception: protocol_violation
import os, struct, marshal
def f(x):
    data = marshal.dumps(("X", 1, 0), 2)
    os.write(3, struct.pack("<IBI", len(data), ord("E"), 2) + data)

### 20 a member that cannot be hashed: wrong_answer protocol_violation bad_value
import os, struct
def f(x):
    data = b"<\x01\x00\x00\x00[\x00\x00\x00\x00"
    os.write(3, struct.pack("<IBI", len(data), ord("V"), 2) + data)

### 24 memory: memory_limit time_limit
def f(x):
    a = [0]
    while True: a += a

### 26 fork bomb: runtime_error
import os
def f(x):
    while True: os.fork()

### 22 endless output: output_limit time_limit
def f(x):
    while True: print("x" * 65536)

### 32 sleeps: time_limit
import time
def f(x): time.sleep(1e6)

### 45 a huge integer: wrong_answer bad_value output_limit
def f(x): return 1 << (1 << 24)

### 58 poisons the next question: protocol_violation wrong_answer
import os, struct
def f(x):
    os.write(3, struct.pack("<IBI", 1, ord("V"), 3) + b"N")
    return "token"
