"""The reference framework as a side of `codescaler bench train`: one line in, one line out.

Arguments: the decoder's directory, a JSON file with the work, next-token or pairs, threads, bf16 or f32.
A request is {"steps": 2}; the answer its seconds and the last step's loss. Weights, gradients and
moments are f32 in both; bf16 is autocast.
"""

import json
import sys
import time

import torch
import transformers


class Trainer:
    def __init__(self, directory, work, load, dtype):
        classes = {
            "next-token": transformers.AutoModelForCausalLM,
            "pairs": transformers.AutoModelForSequenceClassification,
        }
        self.loss = {"next-token": self.next_token, "pairs": self.pairs}[load]
        self.network = classes[load].from_pretrained(directory, dtype=torch.float32).train()
        self.texts = torch.tensor([text for group in work["groups"] for text in group])
        self.autocast = dtype == "bf16"
        parameters = list(self.network.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
            {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
        ]
        # One pass over memory per tensor: the fastest that it has for processors.
        self.optimizer = torch.optim.AdamW(
            groups, lr=work["rate"], betas=(0.9, 0.95), eps=1e-8, fused=True
        )

    def next_token(self):
        return self.network(input_ids=self.texts, labels=self.texts, use_cache=False).loss

    def pairs(self):
        """Bradley-Terry; of two texts the first is the right one."""
        scores = self.network(input_ids=self.texts, use_cache=False).logits.float().view(-1, 2)
        return -torch.nn.functional.logsigmoid(scores[:, 0] - scores[:, 1]).mean()

    def step(self):
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


def main():
    directory, file, load, threads, dtype = sys.argv[1:]
    torch.set_num_threads(int(threads))
    transformers.utils.logging.disable_progress_bar()
    trainer = None
    hello = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        if trainer is None:
            with open(file) as text:
                trainer = Trainer(directory, json.load(text), load, dtype)
        start = time.perf_counter()
        for _ in range(json.loads(line)["steps"]):
            loss = trainer.step()
        seconds = time.perf_counter() - start
        print(json.dumps({"wall_s": seconds, "loss": loss}), flush=True)


main()
