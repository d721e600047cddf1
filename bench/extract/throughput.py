#!/usr/bin/env python3.11
"""Extracts a program from every LiveCodeBench candidate, fenced, and times it on one core.

    cargo build --release -p codescaler-extract --example extract
    python3.11 bench/extract/throughput.py DATA target/release/examples/extract

DATA holds `livecodebench_{train,validation}.jsonl.zst`. Candidates are bare programs, so each is
wrapped in a sentence and a fence, followed by a usage block; the time includes reading and writing
JSON. Prints the memory the process needed at most: it must not grow with the number of programs.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time


def main():
    data, binary = sys.argv[1:3]
    n_programs = n_bytes = 0
    with tempfile.TemporaryFile("w+") as requests:
        for name in ("livecodebench_train", "livecodebench_validation"):
            path = pathlib.Path(data, f"{name}.jsonl.zst")
            with subprocess.Popen(["zstdcat", path], stdout=subprocess.PIPE) as reader:
                for line in reader.stdout:
                    for candidate in json.loads(line)["cands"]:
                        code = candidate["code"]
                        completion = f"Here it is:\n\n```python\n{code}\n```\n\nUsage:\n\n```python\nprint(f(1))\n```\n"
                        n_programs += 1
                        n_bytes += len(code.encode())
                        requests.write(json.dumps({"completion": completion}) + "\n")
        requests.flush()
        requests.seek(0)
        start = time.perf_counter()
        answer = subprocess.run([binary], stdin=requests, stdout=subprocess.PIPE, check=True)
        seconds = time.perf_counter() - start
    kinds = {}
    for line in answer.stdout.decode().split("\n")[:n_programs]:
        extraction = json.loads(line)
        kind = extraction["reason"]["kind"] if extraction["reason"] else "program"
        kinds[kind] = kinds.get(kind, 0) + 1
    memory_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{n_programs} programs, {n_bytes / 1e6:.1f} MB, {seconds:.2f} s, {memory_mib:.0f} MiB at most, {kinds}")


if __name__ == "__main__":
    main()
