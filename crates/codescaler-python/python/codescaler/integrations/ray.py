"""Ray: scoring and execution on many nodes, and stages for Ray Data.

    import codescaler.integrations.ray as on_ray
    scored = on_ray.run(on_ray.score, [(problem, program), …], workers=8, seconds_max=3600)

    ds = on_ray.read("candidates.jsonl", "candidates")
    pool = ray.data.ActorPoolStrategy(size=4)
    ds = ds.map_batches(on_ray.Score, compute=pool, fn_constructor_kwargs={"problems": problems})

Work is keyed by its content: equal items are done once. A worker whose node dies is replaced, and
what it had not answered is given to another; what was answered is never done again. Nothing waits
longer than `seconds_max`.
"""

import hashlib
import importlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from codescaler import curation, execution, records, scoring
from codescaler.execution import Executed
from codescaler.extraction import Policy
from codescaler.extraction import extract as extract_program
from codescaler.problems import Problem, as_json, whole
from codescaler.reward import InfraError
from codescaler.scoring import Scored

ray: Any = importlib.import_module("ray")
lost_by: Any = importlib.import_module("ray.exceptions")
Work = Callable[[Sequence[tuple[Problem, str]]], Sequence[Any]]
"""What a worker does with a batch: one result per item, a pure function of the item."""

LOST = (
    lost_by.RayActorError,
    lost_by.WorkerCrashedError,
    lost_by.NodeDiedError,
    lost_by.ObjectLostError,
)
"""What says that a worker is gone. Everything else is raised: it would fail again."""


def score(items: Sequence[tuple[Problem, str]]) -> list[Scored]:
    """Scores programs by the reward model in the box."""
    return scoring.scorer().score_items(items)


def score_completions(items: Sequence[tuple[Problem, str]]) -> list[Scored]:
    """Scores the programs in completions."""
    return scoring.scorer().score_items(items, extract="best-valid")


def execute_hidden(items: Sequence[tuple[Problem, str]]) -> list[Executed]:
    """Runs programs on the tests that decide."""
    ran = (execution.execute(problem, [program], suite="hidden") for problem, program in items)
    return [one for group in ran for one in group]


def key_of(problem: Problem, text: str) -> str:
    """The content of an item."""
    return hashlib.blake2b(as_json([problem, text]).encode(), digest_size=16).hexdigest()


def run(
    work: Work,
    items: Iterable[tuple[Problem, str]],
    *,
    workers: int = 2,
    cpus_per_worker: float = 1,
    batch: int = 64,
    seconds_max: float,
) -> list[Any]:
    """The results of `work` on items, in order.

    Raises `InfraError` when not everything is known in time.
    """
    listed = list(items)
    keys = [key_of(problem, text) for problem, text in listed]
    distinct = dict(zip(keys, listed, strict=True))
    names = list(distinct)
    batches = [names[start : start + batch] for start in range(0, len(names), batch)]
    crew = Crew(work, cpus_per_worker, min(workers, len(batches)))
    try:
        results = crew.do(distinct, batches, time.monotonic() + seconds_max)
    finally:
        crew.dismiss()
    return [results[key] for key in keys]


class Worker:
    """Does batches, one after the other. Whoever holds it decides what is tried again."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def do(self, items: Sequence[tuple[Problem, str]]) -> list[Any]:
        """The results of a batch."""
        return list(self._work(items)) if items else []


HIRED: Any = ray.remote(max_restarts=0, max_task_retries=0)(Worker)


class Crew:
    """Workers, and who has which batch."""

    def __init__(self, work: Work, cpus: float, n_workers: int) -> None:
        self._hired = HIRED.options(num_cpus=cpus, scheduling_strategy="SPREAD")
        self._work = work
        self._idle: deque[Any] = deque()
        self._busy: dict[Any, tuple[Any, list[str]]] = {}
        for _ in range(n_workers):
            self._hire()

    def _hire(self) -> None:
        # Its first batch is empty: who waits for a place on a full cluster keeps no work waiting.
        worker = self._hired.remote(self._work)
        self._busy[worker.do.remote([])] = (worker, [])

    def do(
        self,
        items: Mapping[str, tuple[Problem, str]],
        batches: Sequence[list[str]],
        deadline: float,
    ) -> dict[str, Any]:
        """The results by key."""
        waiting = deque(batches)
        results: dict[str, Any] = {}
        while len(results) < len(items):
            while waiting and self._idle:
                worker, keys = self._idle.popleft(), waiting.popleft()
                self._busy[worker.do.remote([items[key] for key in keys])] = (worker, keys)
            left = deadline - time.monotonic()
            done, _ = ray.wait(list(self._busy), num_returns=1, timeout=max(left, 0.0))
            if not done:
                missing = len(items) - len(results)
                raise InfraError(f"{missing} of {len(items)} results did not come in time")
            worker, keys = self._busy.pop(done[0])
            try:
                found = ray.get(done[0])
            except LOST:
                ray.kill(worker)
                waiting.extendleft([keys] if keys else [])
                self._hire()
                continue
            results.update(zip(keys, found, strict=True))
            self._idle.append(worker)
        return results

    def dismiss(self) -> None:
        """Ends all workers."""
        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            ray.kill(worker)


def read(path: str, kind: records.Kind) -> Any:
    """The records of a file as a Ray dataset of two columns: `problem`, the id, and `record`, JSON."""
    found, _ = records.read_records(path, kind)
    rows = [
        {"problem": str(record.get("problem", record.get("id"))), "record": json.dumps(record)}
        for record in found
    ]
    return importlib.import_module("ray.data").from_items(rows)


class Stage:
    """What the stages over candidates have: the problems, by id."""

    def __init__(self, problems: Mapping[str, Problem], policy: Policy = "best-valid") -> None:
        self.problems = problems
        self.policy: Policy = policy

    def programs(self, batch: Mapping[str, Any]) -> list[tuple[Problem, str | None, str]]:
        """Problem, program and language of each candidate."""
        found: list[tuple[Problem, str | None, str]] = []
        for name, line in zip(batch["problem"], batch["record"], strict=True):
            record = json.loads(line)
            language = record.get("language", "python")
            program = record.get("program")
            if program is None:
                entry = self.problems[name]
                called = None if isinstance(entry, str) else entry.get("entry")
                said = record.get("completion") or ""
                program = extract_program(
                    said, policy=self.policy, language=language, entry=called
                ).program
            found.append((self.problems[name], program, language))
        return found


class Extract(Stage):
    """Candidates with their programs: `program`, empty where there is none."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {**batch, "program": [program or "" for _, program, _ in self.programs(batch)]}


class Score(Stage):
    """Candidates with their scores: `status`, and `score`, not a number where there is none."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        items = [
            ({**whole(problem), "language": language}, program or "")
            for problem, program, language in self.programs(batch)
        ]
        scored = scoring.scorer().score_items(items)
        scores = [float("nan") if one.score is None else one.score for one in scored]
        return {**batch, "status": [one.status for one in scored], "score": scores}


class Execute(Stage):
    """Candidates with their verdicts on hidden tests: `right`, one of `yes`, `no` and `unknown`."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        said = {True: "yes", False: "no", None: "unknown"}
        right: list[str] = []
        for problem, program, language in self.programs(batch):
            ran = execution.execute(problem, [program or ""], suite="hidden", language=language)
            right.append(said[ran[0].passed])
        return {**batch, "right": right}


class Curate(Stage):
    """For `groupby("problem").map_groups(Curate, …)`: preference pairs of the candidates of one
    problem, from what [`Execute`] found."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        verified = [
            {"program": program, "right": right == "yes", "source": source_of(line)}
            for (_, program, _), right, line in zip(
                self.programs(batch), batch["right"], batch["record"], strict=True
            )
            if program is not None and right != "unknown"
        ]
        problem = self.problems[batch["problem"][0]]
        pairs = curation.curate([(problem, verified)], sources="any", unaligned_share=0.0)
        lines = [json.dumps(pair) for pair in pairs.preferences]
        return {"problem": [batch["problem"][0]] * len(lines), "record": lines}


def source_of(line: str) -> str:
    """Who wrote a candidate."""
    return str((json.loads(line).get("source") or {}).get("name", ""))
