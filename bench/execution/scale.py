"""Does the sandbox stay what it is over 100,000 programs?

Runs `codescaler exec` on that many small programs, all different, and samples the supervisor:
resident memory, descriptors, processes below it. Prints a line per tenth, and at the end what is
left on the machine. The cost of a program is CPU time as the sandbox reports it.

    python3 bench/execution/scale.py target/release/codescaler FOLDER [N]
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def write(folder, n):
    with open(folder / "problems.jsonl", "w") as file:
        file.write('{"format":"codescaler/problems","version":1}\n')
        tests = {"visible": [{"args": [3], "expected": 6}], "hidden": []}
        entry = {"kind": "function", "name": "f"}
        for index in range(n // 100):
            problem = {"id": f"p{index}", "statement": "", "language": "python"}
            file.write(json.dumps({**problem, "entry": entry, "tests": tests}) + "\n")
    with open(folder / "candidates.jsonl", "w") as file:
        file.write('{"format":"codescaler/candidates","version":1}\n')
        for index in range(n):
            candidate = {"problem": f"p{index // 100}", "index": index % 100, "language": "python"}
            program = f"def f(x):\n    return x * 2  # {index}\n"
            file.write(json.dumps({**candidate, "completion": None, "program": program}) + "\n")


def below(pid):
    """All processes below one."""
    found, todo = set(), [pid]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            try:
                children = [int(word) for word in task.read_text().split()]
            except OSError:
                continue
            todo += [child for child in children if child not in found]
            found.update(children)
    return found


def sample(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    n_descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return {
        "resident_kib": int(resident.split()[1]),
        "descriptors": n_descriptors,
        "processes": len(below(pid)),
    }


def main():
    binary, folder = sys.argv[1], Path(sys.argv[2])
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, n)
    out = folder / "executions.jsonl"
    files = ["--problems", folder / "problems.jsonl", "--candidates", folder / "candidates.jsonl"]
    started = time.time()
    run = subprocess.Popen([binary, "exec", *files, "--out", out, "--quiet"], stdout=subprocess.DEVNULL)
    part, samples, position, done = Path(f"{out}.part"), [], 0, -1
    while run.poll() is None:
        time.sleep(0.05)
        try:
            with open(part, "rb") as file:
                file.seek(position)
                text = file.read()
            position += len(text)
            done += text.count(b"\n")
            if done >= (len(samples) + (len(samples) == 0) * 0.1) * n / 10:
                samples.append({"programs": done, **sample(run.pid)})
                print(samples[-1], flush=True)
        except OSError:
            continue
    wall_s = time.time() - started
    cpu = [json.loads(line)["cpu_ms"] for line in open(folder / "executions.timings.jsonl") if '"cpu_ms"' in line]
    verdicts = [json.loads(line).get("verdicts") for line in list(open(out))[1:]]
    mean = lambda values: round(sum(values) / len(values), 3)
    result = {
        "programs": len(verdicts),
        "not_passed": sum(verdict != ["pass"] for verdict in verdicts),
        "wall_s": round(wall_s, 1),
        "cpu_ms_first_1000": mean(cpu[:1000]),
        "cpu_ms_by_tenth": [mean(cpu[k * n // 10 : (k + 1) * n // 10]) for k in range(10)],
        "samples": samples,
        "processes_left": len(below(run.pid)) if Path(f"/proc/{run.pid}").exists() else 0,
        "groups_left": len(list(Path("/sys/fs/cgroup").glob(f"**/codescaler-{run.pid}-*"))),
        "files_left": len(list(Path("/tmp").glob(f"codescaler-{run.pid}-*"))),
    }
    print(json.dumps(result))
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")


main()
