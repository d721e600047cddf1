#!/usr/bin/env python3
"""Kill -9 at random moments, resume, and compare with an uninterrupted run, byte for byte.

    python3 bench/kill/kill.py target/release/codescaler            # 50 kills each of demo and exec
    python3 bench/kill/kill.py target/release/codescaler --kills 5

`demo` runs on the data in the box; `exec` runs the visible tests of the same data. Every file of a
finished run must equal that of the uninterrupted one, except what clocks say (events.jsonl and
*.timings.jsonl). No process may be left behind. Exits with 1 at the first difference.
"""

import argparse
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLOCKS = ("events.jsonl", ".timings.jsonl")


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [path for path in files if not path.name.endswith(CLOCKS)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def compare(expected, found, what):
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            sys.exit(f"{what}: {name} differs from the uninterrupted run")


def left_behind(binary):
    """Processes that descend from a killed run: they name the zygote or the binary."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(binary) in line and "kill.py" not in line]


def trial(name, command, folder_of, binary, n_kills, rng):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        start = time.monotonic()
        subprocess.run(command(scratch / "whole"), check=True, stdout=subprocess.DEVNULL)
        whole_s = time.monotonic() - start
        expected = contents(folder_of(scratch / "whole"))
        kills = runs = 0
        while kills < n_kills:
            runs += 1
            target = scratch / f"run{runs}"
            while True:
                process = subprocess.Popen(command(target), stdout=subprocess.DEVNULL)
                try:
                    # Long enough to get on, short enough for several kills a run.
                    process.wait(timeout=rng.uniform(0.0, 0.3) * whole_s)
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
            if process.returncode != 0:
                sys.exit(f"{name}: exit code {process.returncode} after {kills} kills")
            compare(expected, contents(folder_of(target)), f"{name}, run {runs}")
            shutil.rmtree(target)
        time.sleep(1.0)
        behind = left_behind(binary)
        if behind:
            sys.exit(f"{name}: left behind: {behind}")
        print(f"{name}: {kills} kills over {runs} resumed runs of {whole_s:.1f} s, {len(expected)} files, all equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    binary = options.binary.resolve()
    rng = random.Random(options.seed)

    demo = lambda folder: [binary, "--quiet", "demo", "--out", folder]
    trial("demo", demo, lambda folder: folder, binary, options.kills, rng)

    with tempfile.TemporaryDirectory() as data:
        subprocess.run(demo(pathlib.Path(data)), check=True, stdout=subprocess.DEVNULL)
        pool = ["--problems", f"{data}/problems.jsonl", "--candidates", f"{data}/candidates.jsonl"]
        execute = lambda folder: [binary, "--quiet", "exec", *pool, "--out", folder / "visible.jsonl"]
        trial("exec", execute, lambda folder: folder, binary, options.kills, rng)


main()
