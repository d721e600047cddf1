"""Ray Data: candidates are read, extracted, scored, executed and paired by stages on two workers, and
come to what the same calls come to here."""

import json
import os
import pathlib
import tempfile

os.environ.setdefault("RAY_raylet_start_wait_time_s", "200")

import ray

import codescaler
import codescaler.integrations.ray as on_ray
from told import told

N = 24
PROGRAMS = [
    "def solve(a, b):\n    return a + b",
    "def solve(a, b):\n    return a - b",
    "def solve(a, b):\n    return b + a",
    "def solve(a, b):\n    return",
]


def problem(number):
    test = {"args": [number, 5], "expected": number + 5}
    return {
        "id": f"add-{number}", "statement": "Write solve(a, b) that returns the sum of a and b.",
        "language": "python", "entry": {"kind": "function", "name": "solve"},
        "tests": {"visible": [], "hidden": [test]},
    }


def write(path, problems):
    """A file of candidates, with prose around each program."""
    lines = [json.dumps({"format": "codescaler/candidates", "version": 1})]
    for name in problems:
        for index, program in enumerate(PROGRAMS):
            lines.append(json.dumps({
                "problem": name, "index": index, "language": "python", "program": None,
                "completion": f"Here it is:\n```python\n{program}\n```\n",
                "source": {"name": f"author-{index}"},
            }))
    path.write_text("\n".join(lines) + "\n")


def main():
    problems = {one["id"]: one for one in map(problem, range(N))}
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 << 20, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "candidates.jsonl")
        write(path, problems)
        pool = ray.data.ActorPoolStrategy(size=1)
        stages = on_ray.read(str(path), "candidates").repartition(8)
        for stage in (on_ray.Extract, on_ray.Score, on_ray.Execute):
            stages = stages.map_batches(
                stage, compute=pool, batch_size=16, num_cpus=0.3,
                fn_constructor_kwargs={"problems": problems},
            )
        stages = stages.materialize()
        rows = stages.take_all()
        pairs = stages.groupby("problem").map_groups(
            on_ray.Curate, compute=pool, num_cpus=0.3, fn_constructor_kwargs={"problems": problems},
        ).take_all()
    assert len(rows) == N * len(PROGRAMS), len(rows)
    scorer = codescaler.Scorer()
    for row in rows:
        record = json.loads(row["record"])
        said = PROGRAMS[record["index"]]
        assert row["program"].strip() == said, row["program"]
        assert row["right"] == ("yes" if record["index"] in (0, 2) else "no"), row
        alone = scorer.score_items([(problems[row["problem"]], row["program"])])[0]
        assert row["score"] == alone.score, (row["score"], alone.score)
    told_pairs = [json.loads(pair["record"]) for pair in pairs]
    assert {pair["problem"] for pair in told_pairs} == set(problems)
    ray.shutdown()
    told(
        "Ray Data",
        f"{len(rows)} candidates through extract, score and execute as without a cluster; "
        f"{len(told_pairs)} pairs of {N} problems",
        ["ray"],
    )


if __name__ == "__main__":
    main()
