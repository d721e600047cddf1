"""How fast `codescaler train rl` writes and learns, beside TRL's GRPOTrainer and transformers.

    python bench/rl/loop.py target/release/codescaler POLICY PROBLEMS --out bench/rl/"$(date +%F).json"

POLICY is a Hugging Face directory that both read, PROBLEMS a file of problems in our format. All
sides take turns in one run on the same processors: same first weights, problems, group size, longest
completion, learning rate and reward, which is the reward model in the box (TRL asks it through
`codescaler.integrations.trl`). See README.md here for what is counted.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import datasets
import torch
import transformers
import trl

import codescaler
import codescaler.integrations.trl

RATE = 1e-6
PRECISIONS = ["bf16", "f32"]
DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}
OWN, FIXED = "own lengths", "fixed length"


def options_of_command_line():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("codescaler", type=pathlib.Path)
    parser.add_argument("policy", type=pathlib.Path)
    parser.add_argument("problems", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens-max", type=int, default=160, help="of a completion")
    parser.add_argument("--steps", type=int, default=4, help="that count; one more comes before")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    options.codescaler = options.codescaler.resolve()
    return options


def without_end(policy, folder):
    """The policy with nothing that ends a completion: all are of the longest length."""
    copy = folder / "endless"
    shutil.copytree(policy, copy)
    for name in ["generation_config.json", "config.json"]:
        if (path := copy / name).exists():
            config = json.loads(path.read_text())
            config.pop("eos_token_id", None)
            path.write_text(json.dumps(config))
    # Ours wants to know what ends a completion: a token that no vocabulary has.
    ours = folder / "endless-ours"
    shutil.copytree(copy, ours)
    (ours / "generation_config.json").write_text(json.dumps({"eos_token_id": [2**32 - 1]}))
    return copy


def some_problems(path, n, folder):
    """The first problems of a file as a file of their own, and as conversations."""
    with path.open() as file:
        header, lines = next(file), [line for line, _ in zip(file, range(n))]
    assert len(lines) == n, f"{path} holds {len(lines)} problems, and {n} are written to"
    own = folder / "problems.jsonl"
    own.write_text(header + "".join(lines))
    return own, [[{"role": "user", "content": prompt(json.loads(line))}] for line in lines]


def prompt(problem):
    """As `reward_prompt` in crates/codescaler/src/prompt.rs."""
    statement, starter = problem["statement"], problem.get("starter", "")
    if not starter.strip() or starter.strip() in statement:
        return statement
    return f"{statement.rstrip()}\n\n```{problem['language']}\n{starter.rstrip()}\n```"


class Codescaler:
    """Ours: the command, and what it says about its steps."""

    def __init__(self, options, problems):
        self.options, self.problems = options, problems

    def loop(self, policy, precision, seed):
        o = self.options
        policy = policy.parent / "endless-ours" if policy.name == "endless" else policy
        with tempfile.TemporaryDirectory() as out:
            subprocess.run(
                [
                    o.codescaler, "train", "rl", "--policy", policy, "--problems", self.problems,
                    "--reward", "reward-model", "--steps", str(o.steps + 1),
                    "--prompts", str(o.prompts), "--group", str(o.group),
                    "--completion-tokens-max", str(o.tokens_max), "--rate", str(RATE),
                    "--precision", precision, "--threads", str(o.threads), "--seed", str(seed),
                    "--quiet", "--out", out,
                ],
                check=True, stdout=subprocess.DEVNULL,
            )
            read = lambda name: [
                json.loads(line) for line in pathlib.Path(out, name).read_text().splitlines()]
            steps, times = read("steps.jsonl"), read("times.jsonl")
        completions = o.prompts * o.group
        return [
            {
                "tokens": round(step["length"] * completions),
                # That the policy takes the trained weights over belongs to learning.
                "write_s": took["write_s"], "judge_s": took["judge_s"],
                "learn_s": took["learn_s"] + took["held_out_s"],
            }
            for step, took in zip(steps, times, strict=True)
        ][1:]


class Steps(transformers.TrainerCallback):
    """What the steps of a GRPOTrainer take."""

    def __init__(self):
        self.steps, self.wrote, self.judged, self.tokens, self.ended = [], 0.0, 0.0, 0, 0.0

    def timed(self, name, work):
        def inner(*given, **named):
            began = time.perf_counter()
            made = work(*given, **named)
            setattr(self, name, getattr(self, name) + time.perf_counter() - began)
            return made

        return inner

    def generated(self, made):
        self.tokens += sum(len(ids) for ids in made[0])
        return made

    def on_step_end(self, *_, **__):
        now = time.perf_counter()
        self.steps.append({
            "tokens": self.tokens, "write_s": self.wrote, "judge_s": self.judged,
            "learn_s": now - self.ended - self.wrote - self.judged,
        })
        self.wrote, self.judged, self.tokens, self.ended = 0.0, 0.0, 0, now


class Trl:
    """GRPOTrainer: weights in f32, bf16 by autocast, all completions in one batch."""

    def __init__(self, options, conversations):
        self.options, self.conversations = options, conversations

    def loop(self, policy, precision, seed):
        o = self.options
        tokenizer = transformers.AutoTokenizer.from_pretrained(policy)
        network = transformers.AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
        ends = network.generation_config.eos_token_id
        steps = Steps()
        with tempfile.TemporaryDirectory() as out:
            trainer = trl.GRPOTrainer(
                model=network, processing_class=tokenizer, callbacks=[steps],
                reward_funcs=codescaler.integrations.trl.make(),
                train_dataset=datasets.Dataset.from_list(
                    [{"prompt": conversation} for conversation in self.conversations]),
                args=trl.GRPOConfig(
                    output_dir=out, use_cpu=True, bf16=precision == "bf16", seed=seed,
                    max_steps=o.steps + 1, num_generations=o.group,
                    per_device_train_batch_size=o.prompts * o.group,
                    max_completion_length=o.tokens_max, temperature=1.0, top_p=1.0, top_k=0,
                    loss_type="dapo", epsilon=0.2, epsilon_high=0.28, beta=0.0,
                    learning_rate=RATE, lr_scheduler_type="constant_with_warmup", warmup_steps=10,
                    # Faster without, and the memory is there.
                    gradient_checkpointing=False,
                    report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
                    generation_kwargs={"eos_token_id": ends},
                ),
            )
            trainer.remove_callback(transformers.PrinterCallback)
            if ends is None:
                # TRL adds the tokenizer's end.
                trainer.eos_token_ids = [-1]
            generate = steps.timed("wrote", trainer._generate_single_turn)
            trainer._generate_single_turn = lambda *a, **n: steps.generated(generate(*a, **n))
            trainer._calculate_rewards = steps.timed("judged", trainer._calculate_rewards)
            steps.ended = time.perf_counter()
            trainer.train()
        assert len(steps.steps) == o.steps + 1, f"{len(steps.steps)} steps"
        return steps.steps[1:]


class Transformers:
    """`generate` on its own, without anything that learns."""

    def __init__(self, options, conversations):
        self.options, self.conversations = options, conversations

    def rollout(self, policy, precision, seed):
        o = self.options
        tokenizer = transformers.AutoTokenizer.from_pretrained(policy, padding_side="left")
        network = transformers.AutoModelForCausalLM.from_pretrained(policy, dtype=DTYPES[precision])
        network.eval()
        ends = network.generation_config.eos_token_id
        config = transformers.GenerationConfig(
            max_new_tokens=o.tokens_max, do_sample=True, temperature=1.0, top_p=1.0, top_k=0,
            num_return_sequences=o.group, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id,
        )
        ends = torch.tensor([-1] if ends is None else ends).reshape(-1)
        torch.manual_seed(seed)
        made = []
        for start in range(0, len(self.conversations), o.prompts):
            batch = tokenizer.apply_chat_template(
                self.conversations[start:start + o.prompts], add_generation_prompt=True,
                padding=True, return_tensors="pt", return_dict=True)
            batch = {key: batch[key] for key in ["input_ids", "attention_mask"]}
            began = time.perf_counter()
            with torch.inference_mode():
                written = network.generate(**batch, generation_config=config)
            took = time.perf_counter() - began
            is_end = torch.isin(written[:, batch["input_ids"].shape[1]:], ends)
            # Up to the first end, which counts.
            tokens = int((is_end.cumsum(1) - is_end.int() == 0).sum())
            made.append({"tokens": tokens, "write_s": took})
        return made[1:]


def rate(steps, parts):
    return sum(step["tokens"] for step in steps) / sum(step[part] for step in steps for part in parts)


# What is compared: the peer, and what counts of a step.
COMPARISONS = {
    "rollout": ("transformers", ["write_s"]),
    "loop": ("TRL", ["write_s", "judge_s", "learn_s"]),
    "loop without reward": ("TRL", ["write_s", "learn_s"]),
}


def summary(rows):
    """Tokens per second of both sides, and ours through the peer's, each by its faster precision."""
    lines = []
    for load, (what, (peer, parts)) in itertools.product([OWN, FIXED], COMPARISONS.items()):
        rates = {
            side: {
                row["precision"]: [rate(steps, parts) for steps in row["rounds"]]
                for row in rows if (row["load"], row["side"]) == (load, side)
            }
            for side in ["ours", peer]
        }
        fastest = {side: [max(at) for at in zip(*rates[side].values())] for side in rates}
        times = [ours / other for ours, other in zip(fastest["ours"], fastest[peer])]
        lines.append({
            "load": load, "what": what, "peer": peer,
            "tokens_per_s": {
                f"{side} {precision}": round(statistics.median(rounds))
                for side in rates for precision, rounds in rates[side].items()
            },
            "times_peer": round(statistics.median(times), 2),
            "times_peer_by_round": [round(x, 2) for x in times],
        })
    return lines


def check_lengths(options, row):
    """Adds the mean length; nothing may end early where nothing ends a completion."""
    completions = options.prompts * options.group
    steps = [step["tokens"] / completions for steps in row["rounds"] for step in steps]
    row["tokens_per_completion"] = round(statistics.mean(steps), 2)
    if row["load"] == FIXED:
        assert set(steps) == {options.tokens_max}, f"{row['side']} ended early: {steps}"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main():
    options = options_of_command_line()
    # Ours inherits them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        endless = without_end(options.policy, folder)
        n = (options.steps + 1) * options.prompts
        problems, conversations = some_problems(options.problems, n, folder)
        sides = {
            "ours": Codescaler(options, problems).loop,
            "TRL": Trl(options, conversations).loop,
            "transformers": Transformers(options, conversations).rollout,
        }
        rows = [
            {"load": load, "side": side, "precision": precision, "rounds": []}
            for load in (OWN, FIXED) for precision in PRECISIONS for side in sides
        ]
        for seed in range(1, options.rounds + 1):
            for row in rows:
                policy = options.policy if row["load"] == OWN else endless
                steps = sides[row["side"]](policy, row["precision"], seed)
                row["rounds"].append(steps)
                shown = round(rate(steps, [key for key in steps[0] if key != "tokens"]))
                print(
                    f"round {seed}: {row['load']}, {row['side']} {row['precision']}: {shown} tokens/s",
                    file=sys.stderr, flush=True)
    for row in rows:
        check_lengths(options, row)
    version = subprocess.run(
        [options.codescaler, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    config = json.loads((options.policy / "config.json").read_text())
    shape = ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
             "head_dim", "intermediate_size", "vocab_size", "tie_word_embeddings"]
    found = {
        "date": datetime.date.today().isoformat(), "processor": processor(),
        "threads": options.threads, "codescaler": version,
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, trl)},
        "policy": {key: config.get(key) for key in shape},
        "prompts": options.prompts, "group": options.group, "tokens_max": options.tokens_max,
        "steps": options.steps, "summary": summary(rows), "rows": rows,
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found["summary"], indent=1))


if __name__ == "__main__":
    main()
