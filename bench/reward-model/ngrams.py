"""The simplest learnt baseline: n-grams of a program's tokens, hashed, and a pairwise logistic loss.

    python ngrams.py TRAIN CANDIDATES OUT [--matched]

TRAIN is a folder of `codescaler import` (candidates.jsonl, labels.jsonl), CANDIDATES the programs to
score, OUT gets scores for `codescaler eval reward`. It reads nothing but tokens: no problem, no syntax
tree, no counts. With --matched only pairs whose authors are about as strong are learnt. Needs numpy.
"""

import argparse
import collections
import json
import random
import re
import zlib

import numpy

BITS = 18
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|\"[^\"\n]*\"|'[^'\n]*'|[-+*/%<>=!&|^]=|//|\*\*|\S")
EPOCHS, PAIRS_PER_PROBLEM, RATE, DECAY = 4, 60, 0.5, 1e-5
# Authors whose shares of right programs differ by no more than this are matched.
CLOSE = 0.05


def records(path):
    with open(path) as lines:
        next(lines)
        yield from map(json.loads, lines)


def vector(program):
    """Distinct hashed 1-, 2- and 3-grams; every one counts the same, all together 1."""
    tokens = TOKEN.findall(program or "")
    grams = {" ".join(tokens[i : i + n]) for n in (1, 2, 3) for i in range(len(tokens) - n + 1)}
    keys = {zlib.crc32(gram.encode()) & ((1 << BITS) - 1) for gram in grams}
    return numpy.fromiter(keys, dtype=numpy.int64), 1 / max(len(keys), 1) ** 0.5


def learn(train, matched):
    programs = {(r["problem"], r["index"]): r for r in records(f"{train}/candidates.jsonl")}
    labels = {(r["problem"], r["index"]): r["passed"] for r in records(f"{train}/labels.jsonl")}
    vectors = {key: vector(programs[key]["program"]) for key in labels}
    author = {key: json.dumps(programs[key].get("source")) for key in labels}
    verdicts = collections.defaultdict(list)
    for key, passed in labels.items():
        verdicts[author[key]].append(passed)
    strength = {key: numpy.mean(verdicts[author[key]]) for key in labels}
    problems = collections.defaultdict(lambda: ([], []))
    for key, passed in labels.items():
        problems[key[0]][not passed].append(key)
    weights, rng = numpy.zeros(1 << BITS), random.Random(1)
    steps = EPOCHS * sum(bool(a and b) for a, b in problems.values()) * PAIRS_PER_PROBLEM
    done = 0
    for _ in range(EPOCHS):
        order = sorted(problems)
        rng.shuffle(order)
        for problem in order:
            pairs = [(a, b) for a in problems[problem][0] for b in problems[problem][1]]
            if matched:
                pairs = [(a, b) for a, b in pairs if abs(strength[a] - strength[b]) <= CLOSE]
            for right, wrong in rng.sample(pairs, min(PAIRS_PER_PROBLEM, len(pairs))):
                (a, x), (b, y) = vectors[right], vectors[wrong]
                margin = weights[a].sum() * x - weights[b].sum() * y
                step = RATE * (1 - done / steps) / (1 + numpy.exp(margin))
                weights[a] += step * x
                weights[b] -= step * y
                done += 1
        weights *= 1 - DECAY
    return weights


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("candidates")
    parser.add_argument("out")
    parser.add_argument("--matched", action="store_true")
    options = parser.parse_args()
    weights = learn(options.train, options.matched)
    with open(options.out, "w") as out:
        header = {"format": "codescaler/scores", "version": 1, "provenance": {"scorer": "ngrams"}}
        print(json.dumps(header), file=out)
        for record in records(options.candidates):
            keys, x = vector(record["program"])
            score = {"problem": record["problem"], "index": record["index"]}
            print(json.dumps(score | {"score": float(weights[keys].sum() * x)}), file=out)


if __name__ == "__main__":
    main()
