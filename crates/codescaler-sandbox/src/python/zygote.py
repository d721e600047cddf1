# The zygote: a warm interpreter that forks one process per program.
#
# It holds no program, no test and no expected value: those are sent to a process after the fork.
# What a process sends back is values, never verdicts; the supervisor decodes and compares them.

import _ast
import _socket
import atexit
import gc
import marshal
import posix
import struct
import sys

# A program may replace what is built in; what is ours stays as it was.
globals().update({k: v for k, v in vars(__builtins__).items() if not k.startswith("_")})

HEADER = struct.Struct("<IBI")
VALUE_BYTES_MAX = 32 << 20
ONLY_AST = 0x400
OUT_OF_MEMORY = 97


def seqpacket(fd):
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fileno=fd)


def serve(fd, apart):
    """Forks on request, in native code; goes on only in children, each in its role."""
    role = bytes([SERVE(FORKS, fd, apart)])
    ROLES[role]()
    os._exit(0)


def read_exactly(size):
    data = posix.read(3, size)
    if len(data) == size:
        return data
    parts = [data]
    size -= len(data)
    while size:
        data = posix.read(3, size)
        if not data:
            os._exit(0)
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def read_frame():
    size, kind, number = HEADER.unpack(read_exactly(HEADER.size))
    return kind, number, read_exactly(size) if size else b""


def write_frame(kind, number, payload=b""):
    data = HEADER.pack(len(payload), ord(kind), number) + payload
    while data:
        data = data[posix.write(3, data) :]


def first_line(error):
    """The program's line that an exception passed last, 0 when it never was in the program."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def describe(error):
    """An exception as plain values: its name, its message, the line, the built-in it is a kind of."""
    try:
        message = str(error)[:2000]
        if type(message) is not str:
            message = ""
        message.encode()
    except BaseException:
        message = ""
    name = builtin = "Exception"
    try:
        name = str.__str__(type(error).__name__)[:200]
        for base in type(error).__mro__:
            if base in BUILTIN_EXCEPTIONS:
                builtin = base.__name__
                break
    except BaseException:
        pass
    if isinstance(error, SyntaxError):
        return marshal.dumps((name, str(error.msg), error.lineno or 0, builtin), 2)
    return marshal.dumps((name, message, first_line(error), builtin), 2)


BUILTIN_EXCEPTIONS = {
    value
    for value in vars(__builtins__).values()
    if isinstance(value, type) and issubclass(value, BaseException)
}


def plain(value, depth):
    """The standard library's dictionaries as what they equal, in containers of any built-in type."""
    if depth == 0:
        raise ValueError("nested too deeply")
    kind = type(value)
    if kind in DICTIONARIES:
        return {plain(k, depth - 1): plain(v, depth - 1) for k, v in dict.items(value)}
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return kind([plain(item, depth - 1) for item in value])
    if kind in SCALARS:
        return value
    raise TypeError(f"{kind.__module__}.{kind.__qualname__}")


def write_value(number, value):
    """Sends a value, if it is made of exact built-in types."""
    try:
        payload = marshal.dumps(value, 2)
    except MemoryError:
        raise
    except BaseException:
        try:
            payload = marshal.dumps(plain(value, 64), 2)
        except MemoryError:
            raise
        except BaseException as error:
            try:
                reason = f"{error}"[:200].encode()
            except BaseException:
                reason = b"no plain value"
            write_frame(b"B", number, reason)
            return
    if len(payload) > VALUE_BYTES_MAX:
        write_frame(b"L", number)
    else:
        write_frame(b"V", number, payload)


def prelude():
    """The names that LiveCodeBench's harness puts before every program, in its order."""
    names = {}
    for module in PRELUDE_STARS:
        exec(f"from {module} import *", names)
    for module in PRELUDE_MODULES:
        exec(f"import {module}", names)
    del names["__builtins__"]
    return names


PRELUDE_STARS = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools "
    "operator io sys json builtins typing"
).split()
PRELUDE_MODULES = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools "
    "operator io sys json"
).split()
WARM = (
    "abc array cmath contextlib dataclasses decimal enum fractions numbers queue struct textwrap "
    "threading time types"
).split()
RECURSION_MAX = 50_000


def program_globals(spec, name):
    """The names a program starts with, in a module that `sys.modules` knows."""
    module = type(sys)(name)
    names = module.__dict__
    if spec["common_names"]:
        names.update(PRELUDE)
        names["__name__"], names["__doc__"] = name, None
        sys.setrecursionlimit(RECURSION_MAX)
    names["__builtins__"] = sys.modules["builtins"]
    sys.modules[name] = module
    if spec["prelude"]:
        run_prelude(spec["prelude"], names)
    return names


def run_prelude(text, names):
    """Runs what the source's judge puts in front of a program.

    A module that this machine lacks costs only the programs that use it.
    """
    try:
        exec(compile(text, "<prelude>", "exec", dont_inherit=True), names)
    except ImportError:
        for statement in compile(text, "<prelude>", "exec", ONLY_AST, True).body:
            try:
                one = _ast.Module([statement], [])
                code = compile(one, "<prelude>", "exec", dont_inherit=True)
                exec(code, names)
            except ImportError:
                pass


def read_spec():
    """The program, and how it is to be run; from here on randomness repeats."""
    spec = marshal.loads(read_frame()[2])
    SEED(RANDOM, spec["seed"])
    return spec


def compiled(spec):
    """The program's code, or `None` after the supervisor was told why there is none."""
    try:
        return compile(spec["code"], "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError) as error:
        write_frame(b"C", 0, describe(error))
    except MemoryError as error:
        write_frame(b"C", 0, describe(error))
    return None


def run_calls():
    """Loads a program and answers calls, one at a time, until the supervisor is done with us."""
    spec = read_spec()
    code = compiled(spec)
    if code is None:
        return
    names = program_globals(spec, "program")
    try:
        exec(code, names)
        find = finder(spec, names)
        write_frame(b"R", 0)
    except BaseException as error:
        write_frame(b"E", 0, describe(error))
        return
    while True:
        _, number, payload = read_frame()
        try:
            arguments = marshal.loads(payload)
            write_value(number, find()(*arguments))
        except BaseException as error:
            arguments = None
            write_frame(b"E", number, describe(error))


def finder(spec, names):
    """A function that gives what is to be called; a method gets a fresh object each time."""
    class_name, name = spec["class"], spec["name"]
    try:
        if class_name is None:
            function = names[name]
            return lambda: function
        owner = names[class_name]
    except KeyError as error:
        raise NameError(f"name {error} is not defined") from None
    return lambda: getattr(owner(), name)


def run_remote():
    """Loads a program and lets a tester in another process use it: look up, get, call, list.

    What is no plain value stays here; the tester gets its number.
    """
    spec = read_spec()
    code = compiled(spec)
    if code is None:
        return
    names = program_globals(spec, "program")
    try:
        exec(code, names)
        write_frame(b"R", 0)
    except BaseException as error:
        write_frame(b"E", 0, describe(error))
        return
    kept = []
    while True:
        _, number, payload = read_frame()
        try:
            action, target, name, arguments, keywords = marshal.loads(payload)
            if action == "look":
                if name not in names:
                    raise NameError(f"name {name!r} is not defined")
                value = names[name]
            elif action == "get":
                value = getattr(kept[target], name)
            elif action == "call":
                value = kept[target](*arguments, **keywords)
            else:
                value = list(kept[target])
            arguments = keywords = None
            try:
                marshal.dumps(value, 2)
                is_plain = True
            except ValueError:
                is_plain = type(value) in DICTIONARIES or type(value) in CONTAINERS
            if is_plain:
                write_value(number, value)
            else:
                kept.append(value)
                write_frame(b"H", number, marshal.dumps(len(kept) - 1, 2))
        except BaseException as error:
            arguments = keywords = None
            write_frame(b"E", number, describe(error))


def run_whole():
    """Compiles a program, then forks once per test: every test gets a process that never ran."""
    spec = read_spec()
    code = compiled(spec)
    if code is None:
        return
    names = program_globals(spec, "__main__")
    write_frame(b"R", 0)

    ROLES[b"m"] = lambda: os._exit(main(code, names))
    serve(4, False)


def main(code, names):
    """Runs a program to its end as the interpreter would; the status it would leave with."""
    status = 0
    try:
        try:
            exec(code, names)
        except SystemExit as error:
            status = exit_status(error.code)
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.__stdout__, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except SystemExit as error:
        status = exit_status(error.code)
    except MemoryError:
        status = OUT_OF_MEMORY
    except BaseException as error:
        status = 1
        report(error)
    return status


def exit_status(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    os.write(2, f"{code}\n".encode(errors="replace"))
    return 1


def report(error):
    """The exception on standard error, in the interpreter's own format."""
    try:
        try:
            sys.__stdout__.flush()
        except BaseException:
            pass
        import traceback

        # The first frame is ours.
        trace = error.__traceback__ and error.__traceback__.tb_next
        lines = traceback.format_exception(type(error), error, trace)
        os.write(2, "".join(lines)[-8000:].encode(errors="replace"))
    except BaseException:
        os.write(2, type(error).__name__.encode(errors="replace") + b"\n")


ROLES = {b"c": run_calls, b"r": run_remote, b"w": run_whole}


def start():
    """Warms up, confines itself, says so, serves."""
    global PLAN, PRELUDE, DICTIONARIES, SCALARS, CONTAINERS, RANDOM, SEED, SERVE, FORKS
    os.dup2(0, CONTROL, inheritable=False)
    empty_read, empty_write = os.pipe()
    os.dup2(empty_read, 0)
    os.close(empty_read)
    os.close(empty_write)
    control = seqpacket(CONTROL)
    PLAN = marshal.loads(control.recv(1 << 16))
    native = load_native()
    SERVE = native.serve
    move_away()
    use_arenas(native)
    sys.path = [p for p in sys.path if p]
    # Modules that want to be told of forks would touch much memory in every child: there are no
    # threads to repair, and randomness is seeded anyway.
    register_at_fork, os.register_at_fork = os.register_at_fork, lambda **_: None
    PRELUDE = prelude()
    for module in WARM:
        __import__(module)
    os.register_at_fork = register_at_fork
    collections = sys.modules["collections"]
    DICTIONARIES = {dict, collections.defaultdict, collections.OrderedDict, collections.Counter}
    SCALARS = {type(None), bool, int, float, complex, str, bytes, bytearray}
    CONTAINERS = {list, tuple, set, frozenset}
    if PLAN["tester"]:
        exec(compile(PLAN["tester"], "<tester>", "exec"), globals())
        ROLES[b"t"] = run_tester
    confine_zygote()
    FORKS = ctypes.byref(fork_plan())
    # What the `site` module would have put there, and programs use.
    helper = __import__("_sitebuiltins")._Helper()
    vars(__builtins__).update(exit=sys.exit, quit=sys.exit, help=helper)
    # No trace of the harness where programs look first. (What protects us is not here.)
    for module in ("ctypes", "ctypes._endian", "_ctypes"):
        del sys.modules[module]
    sys.argv = ["program.py"]
    sys.orig_argv = ["python3", "program.py"]
    random = sys.modules["random"]
    # The generator's own method, below the layers of the module.
    RANDOM, SEED = random._inst, random._inst.__class__.__base__.seed
    gc.collect()
    gc.freeze()
    # Nobody reads these any more, and what the interpreter says about a program while it compiles
    # must find room.
    silence = os.open("/dev/null", os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.close(silence)
    control.send(b"H" + marshal.dumps("%d.%d.%d" % sys.version_info[:3], 2))
    serve(CONTROL, True)


try:
    start()
except Step as step:
    seqpacket(CONTROL).send(b"N" + "\n".join(step.args).encode())
    os._exit(1)
