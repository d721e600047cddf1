#!/usr/bin/env python3
"""How much of the ideal time `codescaler solve` needs, against an endpoint that takes its time.

    python3 bench/solve/latency.py target/release/codescaler [--problems 1000] [--samples 16]

An OpenAI-compatible endpoint on the loopback interface answers each request after a delay between
50 and 5000 ms that the request's seed decides (log-uniform). The ideal is what a scheduler reaches
that always keeps `--in-flight` requests under way, given these delays in the order in which the
requests came: no engine can be faster with that order. Standard library only.
"""

import argparse
import asyncio
import hashlib
import heapq
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time

PROGRAM = "```python\ndef f(n):\n    return 2 * n  # {seed}\n```"


def delay_ms(seed):
    """Between 50 and 5000, log-uniform."""
    share = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big") / 2**32
    return math.exp(math.log(50) + share * (math.log(5000) - math.log(50)))


class Endpoint:
    def __init__(self):
        self.delays = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.first = None
        self.last = None

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                request = json.loads(await reader.readexactly(length))
                await self.answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        writer.close()

    async def answer(self, request, writer):
        self.first = self.first or time.monotonic()
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        delay = delay_ms(request["seed"])
        self.delays.append(delay)
        await asyncio.sleep(delay / 1e3)
        message = {"role": "assistant", "content": PROGRAM.format(seed=request["seed"])}
        body = json.dumps({
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20},
        }).encode()
        self.in_flight -= 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        self.last = time.monotonic()


def write_problems(path, n):
    with open(path, "w") as file:
        file.write('{"format":"codescaler/problems","version":1}\n')
        for index in range(n):
            problem = {
                "id": f"p{index}", "statement": f"Return twice n. (Problem {index}.)",
                "language": "python", "entry": {"kind": "function", "name": "f"},
                "tests": {"visible": [{"args": [1], "expected": 2}], "hidden": []},
            }
            file.write(json.dumps(problem) + "\n")


def ideal_s(delays, in_flight):
    """List scheduling: each request begins when the next of the slots is free."""
    slots = [0.0] * in_flight
    for delay in delays:
        heapq.heapreplace(slots, slots[0] + delay / 1e3)
    return max(slots)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("codescaler")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--method", default="codescaler_run")
    options = parser.parse_args()
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        problems = os.path.join(folder, "problems.jsonl")
        write_problems(problems, options.problems)
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            options.codescaler, "solve", "--problems", problems, "--out", os.path.join(folder, "run"),
            "--endpoint", f"http://127.0.0.1:{port}/v1", "--language-model", "loopback",
            "--in-flight-max", str(options.in_flight),
            "--method", f"{options.method}:n={options.samples}",
            stderr=subprocess.PIPE,
        )
        _, said = await process.communicate()
        wall = time.monotonic() - started
    sys.stderr.write(said.decode())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    ideal = ideal_s(endpoint.delays, options.in_flight)
    first_to_last = endpoint.last - endpoint.first
    cpu_ms = (used.ru_utime + used.ru_stime) * 1e3
    print(json.dumps({
        "problems": options.problems, "samples": options.samples, "method": options.method,
        "in_flight_max": options.in_flight, "requests": len(endpoint.delays),
        "in_flight_seen": endpoint.in_flight_max, "ideal_s": round(ideal, 2),
        "first_request_to_last_answer_s": round(first_to_last, 2),
        "of_ideal": round(ideal / first_to_last, 4), "whole_command_s": round(wall, 2),
        "cpu_ms_of_all_processes_per_request": round(cpu_ms / max(1, len(endpoint.delays)), 3),
        "exit": process.returncode,
    }, indent=1))


asyncio.run(main())
