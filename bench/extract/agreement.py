#!/usr/bin/env python3.11
"""Compares codescaler's Python validity with CPython's `ast.parse`, program by program.

    cargo build --release -p codescaler-extract --example validity
    python3.11 bench/extract/agreement.py DATA target/release/examples/validity [n_damaged [seed]]

DATA is a folder of `*.jsonl.zst` files (`zstdcat` must be installed). Every Python program in it is
compared, then `n_damaged` (default 100000) of them damaged by one seeded edit: lines dropped, a
bracket lost, indentation shifted, the text cut off, a character changed. Whatever `ast.parse`
raises counts as invalid, as in CodeScaler's rule. Prints every kind of disagreement.
"""

import ast
import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import time
import warnings

PROGRAM_KEYS = {"code", "good", "bad"}
PYTHON_NAMES = {None, "python", "python3", "Python3", "PyPy 3", "Python 3", "py"}
DAMAGES = ("drop line", "drop lines", "lose bracket", "shift indentation", "truncate", "change character")


def programs_in(record, language=None):
    """Every Python program of a record."""
    if isinstance(record, dict):
        language = record.get("lang", language)
        for key, value in record.items():
            if isinstance(value, str):
                if key in PROGRAM_KEYS and language in PYTHON_NAMES:
                    yield value
            else:
                yield from programs_in(value, language)
    elif isinstance(record, list):
        for item in record:
            yield from programs_in(item, language)


def read_programs(data):
    """Distinct programs, file by file, and how many each file added."""
    programs, counts = {}, {}
    for path in sorted(pathlib.Path(data).glob("*.jsonl.zst")):
        before = len(programs)
        with subprocess.Popen(["zstdcat", path], stdout=subprocess.PIPE) as reader:
            for line in reader.stdout:
                for program in programs_in(json.loads(line)):
                    programs[program] = None
        counts[path.name] = len(programs) - before
    return list(programs), counts


def damage(program, draw):
    """The program after one edit, and the edit's name."""
    kind = draw.choice(DAMAGES)
    lines = program.split("\n")
    at = draw.randrange(len(lines))
    if kind == "drop line":
        del lines[at]
    elif kind == "drop lines":
        del lines[at : at + draw.randint(2, 5)]
    elif kind == "shift indentation":
        lines[at] = draw.choice((" ", "  ", "\t", "    ")) + lines[at] if draw.random() < 0.5 else lines[at][1:]
    elif kind == "lose bracket":
        places = [match.start() for match in re.finditer(r"[()\[\]{}]", program)]
        if places:
            place = draw.choice(places)
            return kind, program[:place] + program[place + 1 :]
    elif kind == "truncate":
        return kind, program[: draw.randrange(len(program) + 1)]
    elif program:
        place = draw.randrange(len(program))
        return kind, program[:place] + draw.choice(" \n:;,.()'\"=*\\x0#@") + program[place + 1 :]
    return kind, "\n".join(lines)


def cpython(program):
    """None where `ast.parse` accepts, else what it raises, without names and numbers."""
    try:
        ast.parse(program)
        return None
    except Exception as error:  # A bare except, as in the published rule.
        message = getattr(error, "msg", str(error))
        return f"{type(error).__name__}: {re.sub(r'[0-9]+', 'N', message)}"


def ours(programs, binary):
    text = "".join(json.dumps(program) + "\n" for program in programs)
    answer = subprocess.run([binary, "python"], input=text.encode(), stdout=subprocess.PIPE, check=True)
    answers = answer.stdout.decode().split("\n")[: len(programs)]
    return [None if line == "ok" else line for line in answers]


def compare(title, programs, binary, kinds):
    start = time.perf_counter()
    mine = ours(programs, binary)
    mine_s = time.perf_counter() - start
    start = time.perf_counter()
    theirs = [cpython(program) for program in programs]
    theirs_s = time.perf_counter() - start
    n_valid = sum(message is None for message in theirs)
    disagreements = collections.defaultdict(list)
    for program, kind, my, their in zip(programs, kinds, mine, theirs):
        if (my is None) != (their is None):
            my_kind = "ok" if my is None else re.sub(r"`[^`]*`|'[^']*'|[0-9]+", "…", my.split("\t", 2)[2])
            disagreements[their or "ok", my_kind].append((program, kind, my))
    n_wrong = sum(map(len, disagreements.values()))
    print(f"{title}: {len(programs)} programs, {n_valid} valid by CPython, {n_wrong} disagreements, "
          f"agreement {100 * (1 - n_wrong / max(len(programs), 1)):.4f} %")
    print(f"  ours {mine_s:.1f} s with the pipe, CPython {theirs_s:.1f} s")
    for (their, my), cases in sorted(disagreements.items(), key=lambda item: -len(item[1])):
        program, kind, where = min(cases, key=lambda case: len(case[0]))
        print(f"  {len(cases):5d}  CPython: {their}  ours: {my}  ({kind})")
        line = int(where.split("\t")[0]) if where else line_of(program)
        for shown in program.split("\n")[max(line - 2, 0) : line + 1]:
            print(f"           | {shown[:110]}")


def line_of(program):
    try:
        ast.parse(program)
    except SyntaxError as error:
        return error.lineno or 1
    except Exception:
        pass
    return 1


def main():
    data, binary = sys.argv[1:3]
    n_damaged = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 20261121
    warnings.simplefilter("ignore")
    print(f"CPython {sys.version.split()[0]}, seed {seed}")
    programs, counts = read_programs(data)
    encodable = [program for program in programs if not re.search("[\ud800-\udfff]", program)]
    print(f"{len(programs)} distinct Python programs, {len(programs) - len(encodable)} left out (lone surrogates)")
    for name, count in counts.items():
        if count:
            print(f"  {count:6d} new from {name}")
    compare("as written", encodable, binary, ["as written"] * len(encodable))
    draw = random.Random(seed)
    damaged = [damage(draw.choice(encodable), draw) for _ in range(n_damaged)]
    compare("damaged", [program for _, program in damaged], binary, [kind for kind, _ in damaged])


if __name__ == "__main__":
    main()
