#!/usr/bin/env python3
"""Makes the pools of `codescaler demo` from imported data (see README.md beside this file).

    python3 make.py HUMANEVALPLUS HUMANEVAL_CANDIDATES MBPPPLUS MBPP_CANDIDATES OUT

The first four are folders written by `codescaler import`. Everything is decided by digests of what
is chosen, never by when, so that the same input gives the same bytes.
"""

import gzip
import hashlib
import json
import pathlib
import sys

CANDIDATES_MAX = 16
HIDDEN_MAX = 40
HIDDEN_BYTES_MAX = 6_000
# Right programs here take milliseconds; a loop without end should not hold up a demonstration.
LIMITS = {"cpu_ms_max": 1000, "memory_mib_max": 1024}
# Its right programs take longer than that.
TOO_SLOW = ("mbpp/123",)
# Collections whose licence allows passing their programs on.
HUMANEVAL_SOURCES = ("codegen", "codex", "mapcoder", "reflexion", "ldb")
MBPP_SOURCES_NOT = ("waxx555",)


def records(path):
    with open(path, encoding="utf-8") as lines:
        next(lines)
        return [json.loads(line) for line in lines]


def digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def allowed(candidate, family):
    name = candidate["source"]["name"].lower()
    if name in ("reference", "canonical"):  # Written by people.
        return False
    if family == "humaneval":
        return any(word in name for word in HUMANEVAL_SOURCES)
    return not any(word in name for word in MBPP_SOURCES_NOT)


def hidden_of(tests):
    """Every k-th test of the suite, the cheap ones: the box must stay small."""
    cheap = [test for test in tests if len(json.dumps(test)) <= HIDDEN_BYTES_MAX]
    if len(cheap) <= HIDDEN_MAX:
        return cheap
    return [cheap[i * len(cheap) // HIDDEN_MAX] for i in range(HIDDEN_MAX)]


def pool(problems_folder, candidates_folder, family):
    problems = {p["id"]: p for p in records(problems_folder / "problems.jsonl")}
    labels = {}
    for label in records(candidates_folder / "labels.jsonl"):
        key = (label["problem"], label["index"])
        labels[key] = labels.get(key, True) and label["passed"]
    groups = {}
    for candidate in records(candidates_folder / "candidates.jsonl"):
        if allowed(candidate, family) and (candidate["problem"], candidate["index"]) in labels:
            groups.setdefault(candidate["problem"], []).append(candidate)
    for id in sorted(groups, key=lambda id: int(id.split("/")[-1])):
        problem = problems.get(id)
        if problem is None or not problem["tests"]["visible"] or id in TOO_SLOW:
            continue
        group = sorted(groups[id], key=lambda c: digest(id, c["program"]))[:CANDIDATES_MAX]
        verdicts = {labels[c["problem"], c["index"]] for c in group}
        hidden = hidden_of(problem["tests"]["hidden"])
        if len(group) < 4 or len(verdicts) < 2 or not hidden:
            continue
        problem["tests"]["hidden"] = hidden
        problem["limits"] = LIMITS
        for index, candidate in enumerate(group):
            candidate["index"] = index
        yield problem, group


def write(path, kind, rows):
    lines = [json.dumps({"format": f"codescaler/{kind}", "version": 1}, separators=(",", ":"))]
    lines += [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())
    print(f"{path}: {len(rows)} records, {path.stat().st_size} bytes")


def main():
    humanevalplus, humaneval, mbppplus, mbpp, out = map(pathlib.Path, sys.argv[1:6])
    pairs = [*pool(humanevalplus, humaneval, "humaneval"), *pool(mbppplus, mbpp, "mbpp")]
    write(out / "demo-problems.jsonl.gz", "problems", [problem for problem, _ in pairs])
    write(out / "demo-candidates.jsonl.gz", "candidates", [c for _, group in pairs for c in group])


main()
