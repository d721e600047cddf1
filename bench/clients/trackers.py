"""W&B (offline), MLflow (files) and trackio get every step of a run exactly once, though the run and
the forwarding were stopped in between; read back from what each keeps on disk."""

import json
import os
import pathlib
import sqlite3
import struct
import tempfile

from told import told

N_STEPS = 12


def write_log(run, last):
    """What `train` leaves: whole lines, and a half one where it was killed."""
    lines = [json.dumps({"step": step, "loss": 1 / step, "norm": step}) for step in range(1, last + 1)]
    half = '{"step": 99, "lo' if last < N_STEPS else ""
    (run / "steps.jsonl").write_text("".join(line + "\n" for line in lines) + half)


def wandb_records(file):
    """The records of W&B's own log: LevelDB's format, whose blocks cut long records in pieces."""
    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block is too short for a head
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield whole
            whole = b""


def of_wandb(folder, run):
    from wandb.proto import wandb_internal_pb2

    steps = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for data in wandb_records(file):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            if "loss" in items:
                steps.append((int(items["_step"]), float(items["loss"])))
    return steps


def of_mlflow(folder, run):
    import mlflow

    history = mlflow.MlflowClient().get_metric_history(run, "loss")
    return [(one.step, one.value) for one in history]


def of_trackio(folder, run):
    with sqlite3.connect(folder / "trackio" / "project.db") as base:
        rows = base.execute("select step, metrics from metrics where run_name = ?", (run,)).fetchall()
    told = [(step, json.loads(metrics)) for step, metrics in rows]
    return [(step, metrics["loss"]) for step, metrics in told if "loss" in metrics]


READERS = {"wandb": of_wandb, "mlflow": of_mlflow, "trackio": of_trackio}


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ.update(
            WANDB_MODE="offline", WANDB_DIR=name, WANDB_SILENT="true",
            MLFLOW_TRACKING_URI=(folder / "mlruns").as_uri(), MLFLOW_ALLOW_FILE_STORE="true",
            TRACKIO_DIR=str(folder / "trackio"),
        )
        from codescaler.integrations.tracking import forward

        for to, read in READERS.items():
            run = folder / to
            run.mkdir()
            (run / "plan.json").write_text('{"verb": "train reward", "seed": 1}')
            # Killed at step 7, back at the checkpoint of step 5, then to the end.
            sent = []
            for last in (7, 5, N_STEPS, N_STEPS):
                write_log(run, last)
                sent.append(forward(run, to, project="project"))
            assert sent == [7, 0, N_STEPS - 7, 0], sent
            place = json.loads((run / "tracking.json").read_text())[to]
            found = sorted(read(folder, place["run"]))
            expected = [(step, 1 / step) for step in range(1, N_STEPS + 1)]
            assert [step for step, _ in found] == [step for step, _ in expected], (to, found)
            assert all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(found, expected)), (to, found)
    told("W&B, MLflow, trackio", f"{N_STEPS} steps once each, over a stop and a step back",
         ["wandb", "mlflow-skinny", "trackio"])


if __name__ == "__main__":
    main()
