"""Files that codescaler writes, read by those they are for: `datasets` loads folders, EvalPlus judges
samples and finds results, verl's scorer of code reads a ground truth, TensorBoard reads events. And
back: what EvalPlus wrote is imported."""

import contextlib
import importlib
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from told import told

CODESCALER = os.environ.get("CODESCALER", str(pathlib.Path(sys.executable).with_name("codescaler")))
TASKS = {"HumanEval/0": ("+", [[2, 3]], [[5, 7], [-1, 4]]), "HumanEval/1": ("-", [[2, 2]], [[3, 1]])}
PROGRAMS = ["def f(a, b):\n    return a {} b\n", "def f(a, b):\n    return a * b\n", "def f(a, b:\n"]


def codescaler(*args):
    done = subprocess.run([CODESCALER, *args, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def write_records(kind, rows):
    header = {"format": f"codescaler/{kind}", "version": 1}
    lines = [json.dumps(row) + "\n" for row in [header, *rows]]
    pathlib.Path(f"{kind}.jsonl").write_text("".join(lines))


def write_pool():
    """Two problems, a right program, a wrong one and one that does not parse for each."""
    def calls(id, which):
        operator, *inputs = TASKS[id]
        return [{"args": args, "expected": eval(f"a {operator} b", dict(zip("ab", args)))}
                for args in inputs[which]]

    write_records("problems", [{
        "id": id, "statement": f"Return a {operator} b.", "language": "python",
        "entry": {"kind": "function", "name": "f"},
        "tests": {"visible": calls(id, 0), "hidden": calls(id, 1)},
        "meta": {"source": "humaneval", "split": "train"},
    } for id, (operator, *_) in TASKS.items()])
    write_records("candidates", [
        {"problem": id, "index": index, "program": program.format(TASKS[id][0]), "language": "python",
         "source": {"name": "s"}}
        for id in TASKS for index, program in enumerate(PROGRAMS)])
    write_records("labels", [
        {"problem": id, "index": index, "passed": index == 0, "by": "hand"}
        for id in TASKS for index in range(len(PROGRAMS))])


def loads_in_datasets():
    import datasets

    codescaler("curate", "pairs", "--problems", "problems.jsonl", "--candidates", "candidates.jsonl",
               "--sources", "any", "--any-length", "--unaligned-share", "0", "--out", "pairs.jsonl")
    codescaler("curate", "export", "--problems", "problems.jsonl", "--preferences", "pairs.jsonl",
               "--validation-share", "0.5", "--seed", "6", "--out", "pairs-dataset")
    codescaler("curate", "export", "--form", "verl", "--problems", "problems.jsonl", "--out", "rl")
    pairs = datasets.load_dataset("pairs-dataset")
    assert {name: len(rows) for name, rows in pairs.items()} == {"train": 1, "validation": 1}, pairs
    for rows in pairs.values():
        assert rows[0]["chosen"][0]["role"] == "assistant", rows[0]
    rl = datasets.load_dataset("rl")["train"]
    assert rl.column_names == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    return rl[0]


def scored_by_verl(row):
    if importlib.util.find_spec("verl") is None:
        return False
    scorer = importlib.import_module("verl.utils.reward_score.prime_code")
    truth = row["reward_model"]["ground_truth"]
    for program, expected in ((PROGRAMS[0].format("+"), True), (PROGRAMS[1], False)):
        score, _ = scorer.compute_score(f"```python\n{program}```", truth, continuous=True)
        assert bool(score) == expected, (program, score)
    return True


def judged_by_evalplus():
    problems = [{
        "task_id": id, "prompt": "def f(a, b):\n", "entry_point": "f",
        "canonical_solution": f"    return a {operator} b\n", "base_input": base, "plus_input": plus,
        "contract": "", "atol": 0, "test": "",
    } for id, (operator, base, plus) in TASKS.items()]
    override = pathlib.Path("humaneval.jsonl")
    override.write_text("".join(json.dumps(row) + "\n" for row in problems))
    os.environ["HUMANEVAL_OVERRIDE_PATH"] = str(override.resolve())
    pool = ("--problems", "problems.jsonl", "--candidates", "candidates.jsonl")
    codescaler("eval", "export", "evalplus", *pool, "--out", "samples.jsonl")
    from evalplus.evaluate import evaluate

    with contextlib.redirect_stdout(io.StringIO()):
        evaluate(dataset="humaneval", samples="samples.jsonl", parallel=1)
    summary = codescaler("import", "evalplus-results", "samples_eval_results.json", "--out", "judged")
    assert summary["candidates"] == 6 and summary["labels"] == 12, summary
    labels = [json.loads(line) for line in pathlib.Path("judged/labels.jsonl").read_text().splitlines()[1:]]
    plus = [label["passed"] for label in labels if label["by"] == "evalplus"]
    assert plus == [True, False, False] * 2, labels
    # Our verdicts in its form: it finds them, runs nothing, and says the same pass@1.
    codescaler("exec", *pool, "--suite", "visible", "--out", "visible.jsonl")
    codescaler("exec", *pool, "--suite", "hidden", "--out", "hidden.jsonl")
    codescaler("eval", "export", "evalplus", *pool, "--out", "ours.jsonl")
    codescaler("eval", "export", "evalplus-results", *pool, "--verdicts", "labels.jsonl",
               "--verdicts-plus", "hidden.jsonl", "--out", "ours_eval_results.json")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        evaluate(dataset="humaneval", samples="ours.jsonl")
    assert "Load from previous results" in said.getvalue(), said.getvalue()
    assert said.getvalue().count("0.333") == 2, said.getvalue()


def read_by_tensorboard():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = pathlib.Path("training")
    run.mkdir()
    lines = [{"step": step, "loss": 1 / step, "norm": step} for step in range(1, 301)]
    (run / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    codescaler("report", "training", "--tensorboard", "board")
    board = EventAccumulator("board").Reload()
    assert sorted(board.Tags()["scalars"]) == ["loss", "norm"], board.Tags()
    found = [(event.step, event.value) for event in board.Scalars("loss")]
    assert [step for step, _ in found] == list(range(1, 301))
    assert all(abs(value - 1 / step) < 1e-6 for step, value in found)


def main():
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_pool()
        row = loads_in_datasets()
        by_verl = scored_by_verl(row)
        judged_by_evalplus()
        read_by_tensorboard()
    packages = ["datasets", "pyarrow", "evalplus", "tensorboard"] + ["verl"] * by_verl
    outcome = "folders load, samples are judged and read back, results are found, events are read"
    told("data files", outcome, packages)


if __name__ == "__main__":
    main()
