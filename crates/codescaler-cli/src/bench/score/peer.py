"""The reference framework as a side of `codescaler bench score`: one line in, one line out.

Arguments: the reward model's directory, a JSON file with the tokens of each item, threads.
A request is {"dtype": "bf16", "batch": 8, "items": [0, 1, 2]}; the answer its seconds and scores.
Items are sorted by length and padded to the longest of their batch. Tokens are ready made.
"""

import json
import sys
import time

import torch
import transformers

DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def read(reward_model, items, batch):
    order = sorted(range(len(items)), key=lambda at: len(items[at]))
    scores = [0.0] * len(items)
    pad = reward_model.config.pad_token_id
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        width = max(len(items[at]) for at in places)
        tokens = torch.full((len(places), width), pad)
        mask = torch.zeros((len(places), width), dtype=torch.long)
        for row, at in enumerate(places):
            tokens[row, : len(items[at])] = torch.tensor(items[at])
            mask[row, : len(items[at])] = 1
        logits = reward_model(input_ids=tokens, attention_mask=mask, use_cache=False).logits
        for row, at in enumerate(places):
            scores[at] = logits[row, 0].item()
    return scores


def main():
    directory, file, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(file) as text:
        items = json.load(text)
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    loaded = {}
    hello = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        dtype = request["dtype"]
        if dtype not in loaded:
            loaded[dtype] = transformers.AutoModelForSequenceClassification.from_pretrained(
                directory, dtype=DTYPES[dtype]
            ).eval()
            if loaded[dtype].config.pad_token_id is None:
                loaded[dtype].config.pad_token_id = 0
        chosen = [items[at] for at in request["items"]]
        with torch.inference_mode():
            start = time.perf_counter()
            scores = read(loaded[dtype], chosen, request["batch"])
            seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "scores": scores}), flush=True)


main()
