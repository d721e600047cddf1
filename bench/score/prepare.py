"""Writes a reward model of a published shape with random weights, and a tokenizer for it.

Speed does not depend on what the weights are, so nothing has to be downloaded. The tokenizer is
byte-level BPE with Qwen's split rule, trained on the statements and programs that are to be read,
so that lengths are like those of a real one.

    python bench/score/prepare.py DIR problems.jsonl candidates.jsonl [--shape qwen3-0.6b]

Wants torch, transformers and tokenizers (see README.md here).
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

SHAPES = {
    "qwen3-0.6b": dict(
        hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16
    ),
    "qwen3-1.7b": dict(
        hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16
    ),
}
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
)


def texts(*paths):
    for path in paths:
        with open(path) as file:
            for line in file:
                record = json.loads(line)
                for key in ("statement", "program", "completion"):
                    if record.get(key):
                        yield record[key]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--shape", choices=SHAPES, default="qwen3-0.6b")
    options = parser.parse_args()

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=32_000,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(*options.texts), trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(options.out)

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    config = transformers.Qwen3Config(
        vocab_size=151_936, num_key_value_heads=8, head_dim=128, max_position_embeddings=40_960,
        rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True, num_labels=1, pad_token_id=0,
        **SHAPES[options.shape],
    )
    transformers.Qwen3ForSequenceClassification(config).save_pretrained(options.out)


main()
