"""Experiment trackers: what a run logs, forwarded to W&B, MLflow or trackio, each step once.

    python -m codescaler.integrations.tracking runs/reward --to wandb --project rewards --follow

A run is a folder that `codescaler train` writes (`steps.jsonl`), or one with `measurements.jsonl`
(`eval methods`, `eval selection`, with `--out`), or both. The place that was reached stands in the folder, in
`tracking.json`: a training that is stopped and goes on, or a tracker that is started again, goes on
there, in the tracker's own run. The place is written down before a step is sent, so that a step is
never there twice; one that a tracker was killed over may be missing.

(TensorBoard needs none of this: `codescaler train … --tensorboard DIR`.)
"""

import argparse
import importlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

Values = dict[str, float]
PLACE = "tracking.json"
DONE = "model.safetensors"
"""What a training writes when it is over."""


class Tracker(Protocol):
    """Where numbers go."""

    @property
    def run(self) -> str:
        """What finds the same run in the tracker again."""
        ...

    def log(self, step: int, values: Values) -> None:
        """Adds numbers at a step."""
        ...

    def finish(self) -> None:
        """Hands over what is still held back."""
        ...


class WandB:
    """Weights & Biases; `WANDB_MODE=offline` keeps everything on disk."""

    def __init__(self, project: str, name: str, config: dict[str, Any], run: str | None):
        wandb: Any = importlib.import_module("wandb")
        self.of = wandb.init(project=project, name=name, id=run, config=config, resume="allow")
        self.run: str = self.of.id

    def log(self, step: int, values: Values) -> None:
        self.of.log(values, step=step)

    def finish(self) -> None:
        self.of.finish()


class MLflow:
    """MLflow, at `MLFLOW_TRACKING_URI`."""

    def __init__(self, project: str, name: str, config: dict[str, Any], run: str | None):
        self.mlflow: Any = importlib.import_module("mlflow")
        self.client: Any = self.mlflow.MlflowClient()
        if run is None:
            known = self.client.get_experiment_by_name(project)
            experiment = known.experiment_id if known else self.client.create_experiment(project)
            run = str(self.client.create_run(experiment, run_name=name).info.run_id)
            for key, value in config.items():
                self.client.log_param(run, key, value)
        self.run: str = run

    def log(self, step: int, values: Values) -> None:
        now = int(time.time() * 1000)
        metric = self.mlflow.entities.Metric
        metrics = [metric(key, value, now, step) for key, value in values.items()]
        self.client.log_batch(self.run, metrics=metrics)

    def finish(self) -> None:
        self.client.set_terminated(self.run)


class Trackio:
    """trackio, in `TRACKIO_DIR`."""

    def __init__(self, project: str, name: str, config: dict[str, Any], run: str | None):
        self.trackio: Any = importlib.import_module("trackio")
        self.run: str = run or name
        self.trackio.init(project=project, name=self.run, config=config, resume="allow")

    def log(self, step: int, values: Values) -> None:
        self.trackio.log(values, step=step)

    def finish(self) -> None:
        self.trackio.finish()


TRACKERS: dict[str, Any] = {"wandb": WandB, "mlflow": MLflow, "trackio": Trackio}


def numbers(line: Mapping[str, Any], path: str = "") -> Values:
    """The numbers of a line by name, those of an object within it by path; its step apart."""
    found: Values = {}
    for key, value in line.items():
        if isinstance(value, Mapping):
            found.update(numbers(value, f"{path}{key}/"))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[path + key] = float(value)
    if not path:
        found.pop("step", None)
    return found


def steps(folder: Path) -> Iterator[tuple[int, Values]]:
    """The whole lines of a training's log."""
    log = folder / "steps.jsonl"
    text = log.read_text() if log.exists() else ""
    for line in text.split("\n")[:-1]:
        told = json.loads(line)
        yield told["step"], numbers(told)


def shares(folder: Path) -> list[tuple[int, Values]]:
    """How often each method is right, under its number of samples (0 where it has none)."""
    file = folder / "measurements.jsonl"
    lines = file.read_text().splitlines()[1:] if file.exists() else []
    found: dict[int, dict[str, list[float]]] = {}
    for line in lines:
        told = json.loads(line)
        if told["right"] is not None:
            of = found.setdefault(told.get("n") or 0, {})
            of.setdefault(f"right/{told['method']}", []).append(told["right"])
    means = {n: {key: sum(all_) / len(all_) for key, all_ in of.items()} for n, of in found.items()}
    return sorted(means.items())


def forward(
    folder: str | os.PathLike[str],
    to: str,
    *,
    project: str = "codescaler",
    name: str | None = None,
    follow: bool = False,
    poll_s: float = 1.0,
) -> int:
    """Sends a tracker what it does not have yet; says how many steps. With `follow`, until the
    training is over."""
    run = Path(folder)
    place_file = run / PLACE
    places: dict[str, Any] = json.loads(place_file.read_text()) if place_file.exists() else {}
    place: dict[str, Any] = places.setdefault(to, {"run": None, "step": -1, "measured": False})

    def reached(**facts: Any) -> None:
        place.update(facts)
        part = place_file.with_suffix(".part")
        part.write_text(json.dumps(places))
        part.replace(place_file)

    plan_file = run / "plan.json"
    plan: dict[str, Any] = json.loads(plan_file.read_text()) if plan_file.exists() else {}
    config = {key: value for key, value in plan.items() if isinstance(value, (str, int, float))}
    tracker: Tracker = TRACKERS[to](project, name or run.resolve().name, config, place["run"])
    reached(run=tracker.run)
    sent = 0

    def send(step: int, values: Values) -> None:
        nonlocal sent
        tracker.log(step, values)
        sent += 1

    while True:
        over = not follow or (run / DONE).exists()
        for step, values in steps(run):
            if step > place["step"]:
                reached(step=step)
                send(step, values)
        if over:
            break
        time.sleep(poll_s)
    measured = shares(run)
    if measured and not place["measured"]:
        reached(measured=True)
        # Behind the steps of a training: trackers take steps in their order.
        for n, values in measured:
            send(max(n, place["step"] + 1), values)
    tracker.finish()
    return sent


def main() -> None:
    """The command line."""
    told = argparse.ArgumentParser(prog="codescaler.integrations.tracking", description=__doc__)
    told.formatter_class = argparse.RawDescriptionHelpFormatter
    told.add_argument("run", help="the folder of the run")
    told.add_argument("--to", required=True, choices=TRACKERS, help="the tracker")
    told.add_argument("--project", default="codescaler", help="the tracker's project or experiment")
    told.add_argument("--name", help="the run's name; by default that of the folder")
    told.add_argument("--follow", action="store_true", help="until the training is over")
    asked = told.parse_args()
    n = forward(
        asked.run, asked.to, project=asked.project, name=asked.name, follow=asked.follow
    )
    print(f"{n} steps sent to {asked.to}")


if __name__ == "__main__":
    main()
