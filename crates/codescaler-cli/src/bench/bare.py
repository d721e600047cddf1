# The floor: a warm interpreter that forks once per program, with nothing between program and machine.
#
# It runs programs that we trust and nothing else. Of the sandbox's costs it has only those that no
# sandbox on forks can avoid: fork, compile, run, wait. The zygote never holds a program: one byte on
# standard input asks for a fork, and the child reads the rest itself, because every page that the
# zygote has makes every fork slower. The answer is one byte: whether the program ran to its end.

import gc
import os
import struct

# What the sandbox's zygotes import before they fork.
for module in (
    "string re datetime collections heapq bisect copy math random statistics itertools functools "
    "operator io sys json builtins typing abc array cmath contextlib dataclasses decimal enum "
    "fractions numbers queue struct textwrap threading time types"
).split():
    __import__(module)


def run():
    (size,) = struct.unpack("<I", read_exactly(4))
    text = read_exactly(size).decode()
    try:
        exec(compile(text, "<program>", "exec"), {"__name__": "__main__"})
    except BaseException:
        os._exit(1)
    os._exit(0)


def read_exactly(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            os._exit(2)
        data += part
    return data


answers = os.dup(1)
nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 1)
os.dup2(nowhere, 2)
gc.collect()
gc.freeze()
while os.read(0, 1):
    child = os.fork()
    if child == 0:
        run()
    _, status = os.waitpid(child, 0)
    os.write(answers, b"\0" if status == 0 else b"\1")
