#!/usr/bin/env python3.11
"""How many programs that are known to be right does the syntax check reject, by language?

    cargo build --release -p codescaler-extract --example validity
    python3.11 bench/extract/languages.py DATA target/release/examples/validity

A right program (`y` = 1, or a reference solution) compiles, so every rejection is an error of the
grammar. DATA is a folder of `*.jsonl.zst` files (`zstdcat` must be installed).
"""

import json
import pathlib
import subprocess
import sys
import time

NAMES = {
    "cpp": "cpp", "C++": "cpp", "c": "c", "C": "c", "java": "java", "Java": "java", "go": "go", "Go": "go",
    "rust": "rust", "Rust": "rust", "js": "javascript", "javascript": "javascript", "JavaScript": "javascript",
    "ts": "typescript", "typescript": "typescript",
}


def checked(binary, language, programs):
    """The binary's answers, and the seconds they took."""
    text = "".join(json.dumps(program) + "\n" for program in programs)
    start = time.perf_counter()
    answer = subprocess.run([binary, language], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return answer.stdout.decode().split("\n")[: len(programs)], time.perf_counter() - start


def right_programs(record, language=None, head=""):
    if isinstance(record, dict):
        language = record.get("lang", language)
        # Where a record has what the program was to continue, the program may be only the rest.
        head = record.get("declaration", record.get("prompt", head))
        if isinstance(record.get("code"), str) and record.get("y") == 1:
            yield language, head, record["code"]
        if isinstance(record.get("good"), str):
            yield language, head, record["good"]
        for name, code in (pair for pair in record.get("sols", []) if len(pair) == 2):
            yield name, "", code
        for value in record.values():
            if isinstance(value, (dict, list)):
                yield from right_programs(value, language, head)
    elif isinstance(record, list):
        for item in record:
            yield from right_programs(item, language, head)


def main():
    data, binary = sys.argv[1:3]
    programs = {}
    for path in sorted(pathlib.Path(data).glob("*.jsonl.zst")):
        with subprocess.Popen(["zstdcat", path], stdout=subprocess.PIPE) as reader:
            for line in reader.stdout:
                for language, head, program in right_programs(json.loads(line)):
                    if language in NAMES:
                        programs.setdefault(NAMES[language], {})[program] = head, path.name
    for language, distinct in sorted(programs.items()):
        answers, seconds = checked(binary, language, list(distinct))
        n_bytes = sum(len(program.encode()) for program in distinct)
        rejected = [(p, answer) for p, answer in zip(distinct, answers) if answer != "ok"]
        whole, _ = checked(binary, language, [distinct[program][0] + program for program, _ in rejected])
        rejected = [case for case, answer in zip(rejected, whole) if answer != "ok"]
        print(f"{language}: {len(distinct)} right programs, {n_bytes / 1e6:.1f} MB, {len(rejected)} rejected "
              f"({100 * len(rejected) / len(distinct):.2f} %), {seconds:.2f} s")
        for program, answer in sorted(rejected, key=lambda case: len(case[0]))[:8]:
            number = int(answer.split("\t")[0])
            print(f"    {answer}  ({distinct[program][1]})")
            print(f"    | {program.split(chr(10))[number - 1][:110]}")


if __name__ == "__main__":
    main()
