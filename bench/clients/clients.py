"""Runs each client, each in a process of its own; writes what came out, and the table of it."""

import argparse
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = {
    "typing_check": ("mypy --strict and pyright read the package's types", 300, False),
    "trl_grpo": ("`GRPOTrainer` trains 20 steps with our reward", 900, False),
    "verl_manager": ("verl's loader and reward manager call our function", 300, False),
    "verifiers_task": ("a task plugs our hooks by import path and scores a trace", 300, False),
    "ray_cluster": ("three nodes, one killed in the middle", 600, False),
    "ray_data": ("`map_batches` stages read, extract, score, execute and curate", 300, False),
    "data_files": ("files for `datasets`, EvalPlus, verl and TensorBoard are read by them", 300, False),
    "trackers": ("a run that is stopped and goes back is forwarded, and read again", 300, False),
    "openrlhf_file": ("its executor loads our function from its file", 200, False),
    "openrlhf_http": ("`_fetch_rewards_via_http` asks `/get_reward`", 120, True),
    "slime_http": ("`remote_rm` asks `/rm`", 120, True),
    "openai_proxy": ("its client asks `/v1/chat/completions`, whole and streamed", 120, True),
    "rerank_http": ("they put programs in order", 120, True),
    "sandbox_fusion_http": ("its client runs programs by `/run_code`", 120, True),
    "schemathesis_http": ("random requests by our own description, 60 of each route", 600, True),
}
SECONDS_TO_START = 60


def run(name, seconds_max, environment):
    """What a client's script says on its last line, or why it failed."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(HERE / f"{name}.py")], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nnot done after {seconds_max} s"
    found = {"seconds": round(time.monotonic() - started, 1), "passed": process.returncode == 0}
    lines = output.strip().splitlines()
    if found["passed"]:
        found.update(json.loads(lines[-1]))
        found["passed"] = "left_out" not in found
    else:
        print("\n".join(lines[-20:]), flush=True)
        found["output"] = lines[-1:]
    return found


def serve(binary):
    """A server of ours on a free port, once it is ready; `None` where the command is not there."""
    is_there = subprocess.run([binary, "serve", "--help"], capture_output=True).returncode == 0
    if not is_there:
        return None, None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([binary, "serve", "--port", str(port), "--run-code"])
    url = f"http://127.0.0.1:{port}"
    for _ in range(SECONDS_TO_START * 10):
        try:
            if urllib.request.urlopen(f"{url}/ready", timeout=1).status == 200:
                return server, url
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise SystemExit(f"{binary} serve was not ready after {SECONDS_TO_START} s")


def table(report):
    """The page of a report."""
    lines = [
        "# With which clients this was run",
        "",
        f"Made by `bench/clients/run.sh` on {report['date']} (Python {report['python']}) from "
        f"`bench/clients/{report['date']}.json`; every "
        "client is the published one, unmodified.",
        "",
        "| client | version | what was run | outcome |",
        "|---|---|---|---|",
    ]
    for found in report["clients"].values():
        if found.get("left_out"):
            outcome = f"not run: {found['left_out']}"
        elif found["passed"]:
            outcome = found["outcome"]
        else:
            outcome = f"**failed**: {found['output'][-1]}"
        version = found.get("version", "")
        lines.append(f"| {found.get('client', '')} | {version} | {found['what']} | {outcome} |")
    return "\n".join(lines) + "\n"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", required=True)
    options.add_argument("--out", type=pathlib.Path, required=True)
    options.add_argument("--table", type=pathlib.Path, required=True)
    options.add_argument("--only", choices=sorted(CLIENTS), action="append")
    options = options.parse_args()
    import codescaler

    server, url = serve(options.server)
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    environment.pop("CODESCALER_ENDPOINT", None)
    # What is run alone goes into the day's file beside the rest.
    is_again = options.only and options.out.exists()
    clients = json.loads(options.out.read_text())["clients"] if is_again else {}
    for name, (what, seconds_max, asks_server) in CLIENTS.items():
        if options.only and name not in options.only:
            continue
        if asks_server and server is None:
            found = {"client": name.split("_")[0], "passed": False, "left_out": "there is no `codescaler serve`"}
        else:
            server_is = {"CODESCALER_ENDPOINT": url, "CODESCALER_SERVER": options.server}
            own = {**environment, **server_is} if asks_server else environment
            found = run(name, seconds_max, own)
        clients[name] = {"what": what, **found}
        print(name, "passed" if found["passed"] else found.get("left_out", "FAILED"), flush=True)
    if server is not None:
        server.terminate()
        server.wait()
    report = {
        "date": options.out.stem,
        "codescaler": codescaler.__version__,
        "python": platform.python_version(),
        "clients": clients,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    options.table.write_text(table(report))
    failed = [name for name, found in clients.items() if not found["passed"] and "left_out" not in found]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
