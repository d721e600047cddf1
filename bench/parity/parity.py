"""Compares the decoder with `transformers`: scores, samples, greedy continuations, templates, tokens.

    python bench/parity/parity.py target/release/examples/parity RECORDS... --template qwen3.jinja \\
        --out bench/parity/"$(date +%F).json"

Each of RECORDS is a folder with `problems.jsonl` and `candidates.jsonl`, as `codescaler import`
writes them; `--template` is the chat template that Qwen3 is published with. Weights are random, of
every family and head. Exits with 1 when a bound does not hold (see README.md here).
"""

import argparse
import collections
import datetime
import hashlib
import itertools
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import safetensors
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

F32_MAX = 1e-4
BF16_MAX = 3e-2
GREEDY_TOKENS = 200
PRECISIONS = ["f32", "bf16", "int8"]

VOCAB = 4000
SHAPE = dict(
    vocab_size=VOCAB, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
    num_attention_heads=8, num_key_value_heads=2, head_dim=64, max_position_embeddings=8192,
    rms_norm_eps=1e-6, bos_token_id=None, eos_token_id=None, pad_token_id=0, num_labels=1,
)
LLAMA3_ROPE = dict(
    rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=512,
)
FAMILIES = {
    "Qwen3": dict(rope_theta=1e6),
    "Qwen2": dict(rope_theta=1e6),
    "Llama": dict(rope_theta=5e5, rope_scaling=LLAMA3_ROPE),
}
SCORES = ["score", "token score", "v_head"]
WRITES = ["untied", "tied"]

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {"Qwen": QWEN_SPLIT, "Llama 3": QWEN_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
# Characters of several bytes and of several code points, blanks, marks of the template.
HARD_TEXTS = [
    ("naïve café e\u0301 \u212b 數 \U0001f642\u200d\U0001f680\r\n\t  x", "x = '<|im_end|>'\n\n\n"),
    ("  <think>a</think>", "<think>\nb\n</think>\n\nprint(1)  "),
]


def class_of(family, head):
    named = lambda suffix: getattr(transformers, family + suffix)
    if head == "score":
        return named("ForSequenceClassification")
    if head == "token score":
        return named("ForTokenClassification")
    if head != "v_head":
        return named("ForCausalLM")

    class ValueHead(named("ForCausalLM")):
        """AceCodeRM's shape: a language model with `v_head.summary` on the last hidden state."""

        def __init__(self, config):
            super().__init__(config)
            self.v_head = torch.nn.Module()
            self.v_head.summary = torch.nn.Linear(config.hidden_size, 1)
            self.post_init()

        def forward(self, input_ids):
            return self.v_head.summary(self.model(input_ids).last_hidden_state)

    return ValueHead


def write_checkpoint(folder, family, head):
    """Random weights, and a tokenizer for which a text of numbers is the tokens themselves.

    The reference's network, in f32 and in bf16, both read from the file that we read.
    """
    cls = class_of(family, head)
    config = getattr(transformers, family + "Config")(
        **SHAPE, **FAMILIES[family], tie_word_embeddings=head == "tied")
    torch.manual_seed(0)
    network = cls(config)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            # As wide as trained ones: products keep the size of what they are made of.
            fan_in = parameter.shape[-1] if parameter.dim() > 1 else 100
            deviation = 1.0 if "embed" in key and head != "tied" else fan_in ** -0.5
            parameter.normal_(1.0 if "norm" in key else 0.0, deviation)
    network.to(torch.bfloat16).save_pretrained(folder)
    tokenizer = tokenizers.Tokenizer(models.WordLevel({str(i): i for i in range(VOCAB)}, "0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    fast.chat_template = "{% for message in messages %}{{ message.content + ' ' }}{% endfor %}"
    fast.save_pretrained(folder)
    read = lambda dtype: cls.from_pretrained(folder, dtype=dtype).eval()
    return read(torch.float32), read(torch.bfloat16)


def random_ids(n):
    return torch.randint(3, VOCAB, (n,)).tolist()


def text(ids):
    return " ".join(map(str, ids))


def groups():
    """By kind, groups of items, each (what all begin with, what follows it)."""
    yield "alone", [([], [random_ids(n)])
                    for n in [1, 2, 3, 31, 63, 64, 65, 127, 128, 129, 300, 1000, 2048, 4095, 4096]]
    mixed = [[1, 700, 64, 3, 129, 250, 1100, 31], [5, 1, 1, 1, 2], [2000, 1, 4096], [96] * 12]
    yield "mixed lengths", [([], [random_ids(n) for n in lengths]) for lengths in mixed]
    shared = [(1, [1, 5, 70]), (63, [1, 2, 64]), (64, [1, 64, 65]), (65, [63, 200, 1]),
              (500, [40, 300, 7, 129]), (1000, [1, 90, 1000]), (3000, [1096, 200, 1])]
    yield "common beginning", [(random_ids(n), [random_ids(m) for m in tails]) for n, tails in shared]


def requests():
    """By kind, what a policy is asked: (prompt, samples, tokens, texts that end a sample)."""
    yield "alone", [(random_ids(n), 1, 4, [])
                    for n in [1, 2, 3, 31, 63, 64, 65, 127, 128, 129, 300, 1000, 2048, 4095, 4096]]
    # About one token in 30 has this in its text: samples end at different lengths.
    yield "side by side", [(random_ids(n), samples, 60, ["77"])
                           for n, samples in [(1, 12), (64, 5), (500, 6), (3000, 2)]]


def ask(binary, **question):
    answer = subprocess.run(
        [binary], input=json.dumps(question), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(answer.stdout)


def score(network, ids):
    with torch.no_grad():
        out = network(torch.tensor([ids]))
    logits = out if isinstance(out, torch.Tensor) else out.logits
    return logits.flatten()[-1].item()


def log_probabilities(network, prompt, tokens):
    with torch.no_grad():
        ids = torch.tensor([prompt + tokens[:-1]])
        logits = network(ids, logits_to_keep=len(tokens)).logits[0].float()
    return logits.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0].tolist()


def error(found, exact):
    difference = torch.tensor(found, dtype=torch.float64) - torch.tensor(exact, dtype=torch.float64)
    return {"max": difference.abs().max().item(), "rms": difference.square().mean().sqrt().item()}


def compare_scores(binary, folder, network, half):
    for kind, asked in groups():
        flat = [shared + tail for shared, tails in asked for tail in tails]
        exact = [score(network, ids) for ids in flat]
        row = {"sequences": kind, "n": len(flat), "tokens_max": max(map(len, flat)),
               "spread": torch.tensor(exact).std().item()}
        row["reference bf16"] = error([score(half, ids) for ids in flat], exact)
        texts = [(text(shared), list(map(text, tails))) for shared, tails in asked]
        for precision in PRECISIONS:
            ours = ask(binary, question="scores", dir=str(folder), precision=precision, groups=texts)
            row["isa"] = ours["isa"]
            row[precision] = error(ours["shared"], exact)
            row[precision]["same_bits_apart"] = ours["shared"] == ours["apart"]
        yield row


def compare_samples(binary, folder, network, half):
    for kind, asked in requests():
        texts = [dict(prompt=text(prompt), n=n, tokens=tokens, temperature=1.0, stop=stop)
                 for prompt, n, tokens, stop in asked]
        row = {"sequences": kind, "tokens_max": max(len(prompt) + n for prompt, _, n, _ in asked)}
        for precision in PRECISIONS:
            ours = ask(binary, question="samples", dir=str(folder), precision=precision, requests=texts)
            pairs = [(prompt, tokens, found) for (prompt, *_), samples in zip(asked, ours["samples"])
                     for tokens, found in samples]
            of = lambda by: [x for prompt, tokens, _ in pairs
                             for x in log_probabilities(by, prompt, tokens)]
            found, exact = [x for *_, found in pairs for x in found], of(network)
            row |= {"isa": ours["isa"], "n": len(found), "spread": torch.tensor(exact).std().item()}
            row[precision] = error(found, exact)
            if precision == "bf16":
                row["reference bf16"] = error(of(half), exact)
        yield row


def compare_greedy(binary, folder, network):
    prompts = [random_ids(n) for n in (1, 60, 500)]
    texts = [dict(prompt=text(prompt), n=1, tokens=GREEDY_TOKENS, temperature=0.0, stop=[])
             for prompt in prompts]
    ours = ask(binary, question="samples", dir=str(folder), precision="f32", requests=texts)
    network.generation_config = transformers.GenerationConfig(pad_token_id=0)
    for prompt, [(found, logprobs)] in zip(prompts, ours["samples"]):
        ids = torch.tensor([prompt])
        out = network.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, output_logits=True,
            max_new_tokens=GREEDY_TOKENS, return_dict_in_generate=True)
        wanted = out.sequences[0, len(prompt):].tolist()
        logits = torch.cat(out.logits)
        top = logits.topk(2).values
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(found, wanted))
        exact = logits.log_softmax(-1).gather(1, torch.tensor(wanted)[:, None])[:, 0].tolist()
        yield {
            "prompt_tokens": len(prompt), "same_tokens": sum(1 for _ in same), "of": GREEDY_TOKENS,
            "distinct_tokens": len(set(wanted)), "margin_min": (top[:, 0] - top[:, 1]).min().item(),
            "f32": error(logprobs, exact) if found == wanted else None,
        }


def conversations(folders, n):
    """Every problem with its first program, then with its second, until there are `n`."""
    programs = collections.defaultdict(list)
    statements = {}
    for folder in folders:
        lines = lambda name: itertools.islice(open(pathlib.Path(folder, name)), 1, None)
        for problem in map(json.loads, lines("problems.jsonl")):
            starter = problem.get("starter")
            statements[problem["id"]] = problem["statement"] + (f"\n\n{starter}" if starter else "")
        for candidate in map(json.loads, lines("candidates.jsonl")):
            if candidate["program"] and len(programs[candidate["problem"]]) < 9:
                programs[candidate["problem"]].append(candidate["program"])
    turns = ([(statement, programs[key][turn]) for key, statement in statements.items()
              if turn < len(programs[key])] for turn in range(9))
    return list(itertools.islice(itertools.chain.from_iterable(turns), n))


def write_tokenizer(folder, split, template, pairs):
    """Byte-level BPE with a published split rule, trained on the texts that are to be read."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(split), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(itertools.chain.from_iterable(pairs), trainers.BpeTrainer(
        vocab_size=8000, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens([tokenizers.AddedToken(mark, normalized=False) for mark in ADDED])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    return fast


def compare_texts(binary, folder, pairs, fast):
    answers = ask(binary, question="texts", dir=str(folder), vocab=len(fast), conversations=pairs)
    row = {"conversations": len(pairs), "problems": len({user for user, _ in pairs}), "tokens": 0,
           "vocabulary": len(fast), "different_texts": 0, "different_tokens": 0}
    for (user, assistant), (texts, tokens) in zip(pairs, answers):
        messages = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        wanted = [fast.apply_chat_template(messages, tokenize=False),
                  fast.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)]
        wanted_ids = [fast(text, add_special_tokens=False)["input_ids"] for text in wanted]
        row["tokens"] += sum(map(len, wanted_ids))
        row["different_texts"] += wanted != texts
        row["different_tokens"] += wanted_ids != tokens
    return row


def failures(result):
    for row in result["logits"]:
        name = f"{row['checkpoint']}, {row['sequences']}"
        reference = row["reference bf16"]
        if not row["f32"]["max"] <= F32_MAX:
            yield f"{name}: f32"
        if not (row["bf16"]["max"] <= BF16_MAX and row["bf16"]["rms"] <= reference["rms"]):
            yield f"{name}: bf16"
        if not all(row[precision].get("same_bits_apart", True) for precision in PRECISIONS):
            yield f"{name}: a shared beginning changes bits"
    for row in result["greedy"]:
        if row["same_tokens"] < row["of"]:
            yield f"{row['checkpoint']}, {row['prompt_tokens']} tokens: greedy"
    for row in result["texts"]:
        if row["different_texts"] or row["different_tokens"]:
            yield f"{row['split']}: texts"


def short(row):
    """One line for the terminal."""
    cells = []
    for key, value in row.items():
        if isinstance(value, dict):
            value = f"{value['max']:.1e} (rms {value['rms']:.1e})"
        cells.append(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("records", nargs="+")
    parser.add_argument("--template", required=True, type=pathlib.Path)
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--only", default="", help="checkpoints whose name has this in it")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    options = parser.parse_args()
    start = time.monotonic()
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    template = options.template.read_text()
    result = {
        "date": datetime.date.today().isoformat(), "python": platform.python_version(),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__, "safetensors": safetensors.__version__,
        "template_sha256": hashlib.sha256(template.encode()).hexdigest(),
        "bounds": {"f32": F32_MAX, "bf16": BF16_MAX}, "texts": [], "logits": [], "greedy": [],
    }

    def add(kind, rows, **more):
        for row in rows:
            result[kind].append(more | row)
            print(short(result[kind][-1]), flush=True)

    pairs = conversations(options.records, options.conversations)
    for split, rule in SPLITS.items():
        with tempfile.TemporaryDirectory() as folder:
            fast = write_tokenizer(folder, rule, template, pairs)
            row = compare_texts(options.binary, folder, pairs + HARD_TEXTS, fast)
        add("texts", [row], split=split)
    for family, head in itertools.product(FAMILIES, SCORES + WRITES):
        name = f"{family} {head}"
        if options.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            network, half = write_checkpoint(folder, family, head)
            compare = compare_samples if head in WRITES else compare_scores
            add("logits", compare(options.binary, folder, network, half), checkpoint=name)
            if head in WRITES:
                add("greedy", compare_greedy(options.binary, folder, network), checkpoint=name)
    result["failures"] = list(failures(result))
    result["seconds"] = round(time.monotonic() - start)
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print("\n".join(result["failures"]) or "all within bounds")
    sys.exit(bool(result["failures"]))


if __name__ == "__main__":
    main()
