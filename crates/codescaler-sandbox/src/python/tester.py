# The tester: runs test code that is trusted, in a process of its own, against a program that is
# not. Names that the test code does not define are looked up in the program; what crosses is plain
# values, decoded and encoded again by the supervisor.

from opcode import opmap as OPCODES


class NotPlain(Exception):
    """The program gave something that is no plain value where the test needs one."""


class NotSendable(Exception):
    """The test calls the program with something that is no plain value."""


class Remote:
    """Something that lives in the program's process."""

    __slots__ = ("_number",)

    def __init__(self, number):
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments, **keywords):
        return ask("call", self._number, None, arguments, keywords)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__") and name != "__name__":
            raise AttributeError(name)
        return ask("get", self._number, name, (), {})

    def __iter__(self):
        return iter(ask("list", self._number, None, (), {}))

    def __setattr__(self, name, value):
        raise NotPlain("test code sets an attribute of the program's object")

    def _refuse(self, *_):
        error = NotPlain("an object that is no plain value is compared")
        CALLS["last"] = error
        raise error

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = _refuse
    __hash__ = object.__hash__


CALLS = {"number": 0, "last": None}

# What a program may say its exception is. Iteration takes an end for an answer and goes on in
# silence, so that is no exception which a function may raise (as in generators, PEP 479).
EXCEPTIONS = {kind.__name__: kind for kind in BUILTIN_EXCEPTIONS}
for name in ("StopIteration", "StopAsyncIteration", "GeneratorExit"):
    EXCEPTIONS[name] = RuntimeError


def has_remote(value):
    """Whether something of the program's is in what the program is to be called with."""
    if isinstance(value, dict):
        return any(has_remote(item) for pair in dict.items(value) for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(has_remote(item) for item in value)
    return isinstance(value, Remote)


def ask(action, target, name, arguments, keywords):
    """One question to the program, and its answer or its exception."""
    CALLS["number"] += 1
    try:
        payload = marshal.dumps((action, target, name, arguments, keywords), 2)
    except ValueError:
        try:
            arguments, keywords = plain(arguments, 64), plain(keywords, 64)
            payload = marshal.dumps((action, target, name, arguments, keywords), 2)
        except (TypeError, ValueError) as error:
            if has_remote((arguments, keywords)):
                CALLS["last"] = NotPlain("the program is called with its own object")
                raise CALLS["last"] from None
            raise NotSendable(f"the program is called with {error}") from None
    write_frame(b"Q", CALLS["number"], payload)
    kind, _, payload = read_frame()
    if kind == ord("V"):
        return marshal.loads(payload)
    if kind == ord("H"):
        return Remote(marshal.loads(payload))
    name, message, _, builtin = marshal.loads(payload)
    base = EXCEPTIONS.get(builtin, Exception)
    if kind == ord("B"):
        base = NotPlain
    try:
        error = base(message)
    except TypeError:
        error = RuntimeError(f"{name}: {message}")
    CALLS["last"] = error
    raise error


class TestGlobals(dict):
    """The test code's names, then the program's; the program's never hide what is built in.

    Except where a test asks for nothing but built-in names: then it can only mean the program's
    (`def sum(a, b)` and `assert sum(1, 2) == 3`).
    """

    def __init__(self, code):
        super().__init__()
        self["__name__"] = "test"
        self["__builtins__"] = sys.modules["builtins"]
        built_in = vars(sys.modules["builtins"])
        names = names_of(code)
        if all(name in built_in for name in names):
            for name in names:
                try:
                    found = ask("look", 0, name, (), {})
                except NameError:
                    CALLS["last"] = None
                    continue
                if isinstance(found, Remote):
                    self[name] = found
            CALLS["number"] = 0

    def __missing__(self, name):
        if hasattr(sys.modules["builtins"], name):
            raise KeyError(name)
        return ask("look", 0, name, (), {})


def names_of(code):
    """The names that code and the functions in it mention."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            names |= names_of(constant)
    return names


def small_numpy():
    """As much of numpy as EvalPlus's suites use; the real one is not on this path."""
    numpy = type(sys)("numpy")

    def flatten(value):
        if isinstance(value, (list, tuple)):
            return [leaf for item in value for leaf in flatten(item)]
        if isinstance(value, (bool, int, float, complex)):
            return [value]
        raise TypeError(f"allclose is not defined for {type(value).__name__}")

    def close(a, b, rtol, atol):
        return a == b or (abs(b) != math.inf and abs(a - b) <= atol + rtol * abs(b))

    def allclose(a, b, rtol=1e-05, atol=1e-08):
        a, b = flatten(a), flatten(b)
        if len(a) != len(b):
            a, b = (a * len(b), b) if len(a) == 1 else (a, b * len(a)) if len(b) == 1 else (a, b)
        if len(a) != len(b):
            raise ValueError("the shapes differ")
        return all(close(x, y, rtol, atol) for x, y in zip(a, b))

    class ndarray:
        pass

    math = sys.modules["math"]
    numpy.allclose = allclose
    numpy.isclose = lambda a, b, rtol=1e-05, atol=1e-08: close(a, b, rtol, atol)
    numpy.ndarray = ndarray
    numpy.float32 = numpy.float64 = float
    numpy.inf, numpy.nan, numpy.pi = math.inf, math.nan, math.pi
    return numpy


# Test code that imports nothing else, stores no attribute and uses none of these names leaves
# nothing behind but what it is given anew each time: its names and the state of randomness.
PURE_MODULES = set(
    "bisect cmath collections copy datetime fractions functools heapq itertools json math numpy "
    "operator random re statistics string typing".split()
)
REACHING_NAMES = set(
    "__builtins__ __del__ __dict__ __import__ compile delattr eval exec globals open setattr vars".split()
)


GENERATOR = 0x20 | 0x80 | 0x200


def leaves_nothing(code):
    """Whether a process that ran this code is as good as new."""
    stores = {OPCODES["STORE_ATTR"], OPCODES["DELETE_ATTR"]}
    if not stores.isdisjoint(code.co_code[::2]) or not REACHING_NAMES.isdisjoint(code.co_names):
        return False
    if len(code.co_names) > 255:
        # The index of a name would not fit into one byte.
        return False
    for operation, argument in zip(code.co_code[::2], code.co_code[1::2]):
        if operation == OPCODES["IMPORT_NAME"]:
            if code.co_names[argument].partition(".")[0] not in PURE_MODULES:
                return False
    if code.co_flags & GENERATOR and code.co_name != "<genexpr>":
        # What it does at its end, it does when the collector comes.
        return False
    inner = [constant for constant in code.co_consts if isinstance(constant, type(code))]
    return all(leaves_nothing(constant) for constant in inner)


def compiled_test(payload, known={}):
    """Test code, and whether it leaves nothing behind; the last few are remembered."""
    if payload not in known:
        if len(known) == 16:
            known.clear()
        code = compile(payload.decode(), "<test>", "exec", dont_inherit=True)
        known[payload] = code, leaves_nothing(code)
    return known[payload]


def run_tester():
    """Runs the test codes that are sent, each with names of its own.

    An answer's number tells whether this process may be used for another program.
    """
    while True:
        _, _, payload = read_frame()
        if b"numpy" in payload and "numpy" not in sys.modules:
            sys.modules["numpy"] = small_numpy()
        CALLS["number"], CALLS["last"] = 0, None
        SEED(RANDOM, 0)
        RANDOM.gauss_next = None
        try:
            code, is_clean = compiled_test(payload)
        except Exception as error:
            write_frame(b"F", 0, marshal.dumps(f"the test does not compile: {error}", 2))
            continue
        try:
            exec(code, TestGlobals(code))
            if CALLS["number"]:
                write_frame(b"P", int(is_clean))
            else:
                write_frame(b"F", 0, marshal.dumps("the test never uses the program", 2))
        except BaseException as error:
            write_frame(*outcome(error, int(is_clean)))


def outcome(error, number):
    """What an exception in test code says about the program."""
    text = f"{type(error).__name__}: {error}"[:2000].encode(errors="replace").decode()
    if error is CALLS["last"]:
        kind = b"B" if isinstance(error, NotPlain) else b"E"
    elif CALLS["number"] == 0:
        kind, text = b"F", f"the test fails before it reaches the program: {text}"
    elif isinstance(error, NotSendable):
        kind = b"F"
    elif isinstance(error, MemoryError):
        # It did not before the program answered.
        kind, text = b"A", "the test runs out of memory on the program's answers"
    else:
        kind = b"A"
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<test>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return kind, number, marshal.dumps(f"line {line} of the test: {text}", 2)

