"""Each adapter as its trainer calls it, with a stub in place of trainer and server."""

import asyncio
import contextlib
import importlib
import inspect
import os
import pathlib
import pickle
import sys
import tempfile
import types
import unittest
from unittest import mock

from codescaler import InfraError, RewardError
from codescaler.integrations import areal, nemo_gym, openrlhf, prompts, slime, tinker, tracking, trl, verifiers, verl
from stub import Stub, by_length

ASKED = "Print the next number."
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}]


@contextlib.contextmanager
def served(*answers):
    """A stub that the environment names."""
    with Stub(*(answers or (by_length,))) as stub:
        with mock.patch.dict(os.environ, {"CODESCALER_ENDPOINT": stub.url}):
            yield stub


@contextlib.contextmanager
def modules(**given):
    """Modules in place of a trainer's, by their dotted names with `__` between."""
    named = {}
    for name, members in given.items():
        path = name.split("__")
        for depth in range(1, len(path) + 1):
            dotted = ".".join(path[:depth])
            named.setdefault(dotted, types.ModuleType(dotted))
        vars(named[".".join(path)]).update(members)
    with mock.patch.dict(sys.modules, named):
        yield


def problems_of(stub):
    return [item["problem"] for _, request, _ in stub.asked for item in request["items"]]


class Trl(unittest.TestCase):
    def test_texts_and_conversations(self):
        logged = {}
        with served() as stub:
            texts = asyncio.run(trl.reward([ASKED] * 2, ["abc", "broken"], log_metric=logged.__setitem__))
            answers = [[{"role": "assistant", "content": "abc"}], [{"role": "assistant", "content": "invalid"}]]
            chats = asyncio.run(trl.reward([CHAT] * 2, answers, completion_ids=[[1], [2]], trainer_state=None))
            asyncio.run(trl.reward([CHAT], answers[:1], problem=["Another one."]))
        self.assertEqual(texts, [4.0, None])
        self.assertEqual(chats, [4.0, 0.0])
        self.assertEqual(problems_of(stub), [ASKED] * 4 + ["Another one."])
        self.assertEqual(logged["codescaler/infra_error"], 0.5)

    def test_trl_takes_it_for_a_coroutine_with_a_name(self):
        made = trl.make(endpoint="http://rm:8000", shaping="sigmoid")
        for function in (trl.reward, made, pickle.loads(pickle.dumps(made))):
            self.assertTrue(inspect.iscoroutinefunction(function))
            self.assertIsInstance(function.__name__, str)
        with self.assertRaises(TypeError):
            trl.make(endpont="http://rm:8000")

    def test_options_reach_the_server(self):
        with Stub(by_length) as stub:
            asyncio.run(trl.make(endpoint=stub.url, shaping="raw")([ASKED], ["abc"]))
        self.assertEqual(stub.asked[0][1]["shaping"], {"kind": "raw"})


class Verl(unittest.TestCase):
    KEYS = ["score", "rm_raw", "valid", "too_long", "infra_error"]

    def test_the_same_keys_whatever_comes(self):
        with Stub(by_length) as stub:
            def told(said, **options):
                info = {"problem": ASKED, "index": 0}
                return verl.compute_score("any", said, "{}", info, endpoint=stub.url, **options)

            for said, score in [("abc", 4.0), ("invalid", 0.0), ("enormous", 0.0)]:
                with self.subTest(said=said):
                    numbers = told(said)
                    self.assertEqual(list(numbers), self.KEYS)
                    self.assertEqual(numbers["score"], score)
                    self.assertTrue(all(isinstance(number, float) for number in numbers.values()))
            numbers = told("broken", on_infra_error=0.5)
            self.assertEqual(list(numbers), self.KEYS)
            self.assertEqual((numbers["score"], numbers["infra_error"]), (0.5, 1.0))
            with self.assertRaises(InfraError):
                told("broken")

    def test_awaited_and_in_batches(self):
        self.assertTrue(inspect.iscoroutinefunction(verl.compute_score_async))
        self.assertFalse(inspect.iscoroutinefunction(verl.compute_score))
        infos = [{"question": ASKED}, {"problem": {"statement": "Another.", "starter": "x = 1"}}]
        with Stub(by_length) as stub:
            one = asyncio.run(
                verl.compute_score_async(
                    data_source="any", solution_str="abc", ground_truth=None,
                    extra_info=infos[0], endpoint=stub.url, num_examine=1,
                )
            )
            many = verl.compute_score_batch(
                data_sources=["any"] * 2, solution_strs=["abc", "invalid"],
                ground_truths=[None] * 2, extra_infos=infos, endpoint=stub.url,
            )
        self.assertEqual([one["score"]] + [each["score"] for each in many], [4.0, 4.0, 0.0])
        self.assertEqual(stub.asked[1][1]["items"][1]["starter_code"], "x = 1")

    def test_a_row_without_its_problem(self):
        with self.assertRaisesRegex(ValueError, "'taco'.*'problem'"):
            verl.compute_score("taco", "abc", "{}", {"index": 3})

    def test_the_reward_model_that_verl_serves(self):
        class Tokenizer:
            bos_token = "<s>"

            def apply_chat_template(self, messages, tokenize):
                assert not tokenize
                return "<s>" + "|".join(message["content"] for message in messages)

        def classify(path, request):
            assert path == "/classify" and request["use_activation"] is False
            return {"data": [{"probs": [len(request["input"]) / 10]}]}

        with Stub((503, {}), classify) as stub:
            options = {"reward_router_address": stub.url[7:], "reward_model_tokenizer": Tokenizer()}
            info = {"problem": ASKED}
            found = verl.compute_score("any", "```python\nx = 1\n```", None, info, shaping="raw", **options)
            none = verl.compute_score("any", "none", None, info, shaping="raw", **options)
        self.assertEqual(stub.asked[-1][1]["input"], f"{ASKED}|x = 1")
        self.assertAlmostEqual(found["score"], len(f"{ASKED}|x = 1") / 10, places=5)
        self.assertEqual((none["score"], none["valid"]), (0.0, 0.0))


class Others(unittest.TestCase):
    def test_openrlhf(self):
        with modules(torch={"tensor": list}), served() as stub:
            prompt = f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n"
            queries = [prompt + "abc<|im_end|>\n", prompt + "invalid<|im_end|>"]
            told = openrlhf.reward_func(queries, [prompt] * 2, ["", {"statement": ASKED}], step=3)
            self.assertEqual((told["rewards"], told["scores"]), ([4.0, 0.0], [1.0, 0.0]))
            with self.assertRaises(InfraError):
                openrlhf.reward_func(["<s>" + prompt + "broken"], [prompt], [""])
            with self.assertRaisesRegex(RewardError, "does not hold its prompt"):
                openrlhf.reward_func(["<s>another"], [prompt], [""])
        self.assertEqual([item["response"] for item in stub.asked[0][1]["items"]], ["abc", "invalid"])
        self.assertEqual(problems_of(stub), [ASKED] * 3)

    def test_slime(self):
        def sample(response, **facts):
            return types.SimpleNamespace(prompt=CHAT, response=response, label=None, metadata=facts)

        args = types.SimpleNamespace(codescaler_shaping="raw")
        with served() as stub:
            one = asyncio.run(slime.custom_rm(args, sample("abc")))
            group = asyncio.run(slime.custom_rm(args, [sample("a", problem="X."), sample("invalid")]))
            with self.assertRaises(InfraError):
                asyncio.run(slime.custom_rm(args, sample("broken")))
        self.assertEqual((one, group), (4.0, [2.0, 0.0]))
        self.assertEqual(problems_of(stub)[:3], [ASKED, "X.", ASKED])
        self.assertEqual(stub.asked[0][1]["shaping"], {"kind": "raw"})

    def test_verifiers(self):
        def of(reply):
            return types.SimpleNamespace(last_reply=reply)

        data = types.SimpleNamespace(prompt_text=ASKED)
        task = types.SimpleNamespace(data=data)
        with served():
            self.assertEqual(asyncio.run(verifiers.reward(task, of("abc"))), 4.0)
            self.assertEqual(asyncio.run(verifiers.reward(data, of("abc"))), 4.0)
            with self.assertRaises(InfraError):
                asyncio.run(verifiers.reward(task, of("broken")))
        self.assertEqual(asyncio.run(verifiers.valid(of("abc"))), 0.0)
        self.assertEqual(asyncio.run(verifiers.valid(of("```python\nx = 1\n```"))), 1.0)

    def test_skyrl(self):
        class BaseTextEnv:
            pass

        names = {"BaseTextEnv": BaseTextEnv, "BaseTextEnvStepOutput": dict}
        with modules(skyrl_gym__envs__base_text_env=names), served() as stub:
            skyrl = importlib.import_module("codescaler.integrations.skyrl")
            env = skyrl.Env({"shaping": "sigmoid"}, {"extra_info": {"index": 3}})
            env.init(CHAT)
            told = env.step("abc")
            self.assertEqual((told["reward"], told["done"]), (4.0, True))
            with self.assertRaises(InfraError):
                env.step("broken")
        self.assertEqual(problems_of(stub), [ASKED] * 2)

    def test_nemo_gym(self):
        said = [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "abc"}]}]
        body = {"responses_create_params": {"input": CHAT}, "response": {"output": said}, "verifier_metadata": {"a": 1}}
        with served() as stub:
            told = nemo_gym.verify(body)
        self.assertEqual({key: told[key] for key in body}, body)
        self.assertEqual((told["reward"], problems_of(stub)), (4.0, [ASKED]))

    def test_ms_swift(self):
        orms = {}
        with modules(swift__rewards={"AsyncORM": object, "orms": orms}), served():
            importlib.import_module("codescaler.integrations.ms_swift")
            plugin = orms["codescaler"]()
            told = asyncio.run(plugin(completions=["abc", "broken"], messages=[CHAT] * 2))
        self.assertEqual(told, [4.0, None])
        self.assertTrue(inspect.iscoroutinefunction(orms["codescaler"].__call__))

    def test_areal(self):
        with served() as stub:
            self.assertEqual(areal.reward_fn("rendered", "abc", [1], [2], messages=CHAT), 4.0)
            self.assertEqual(areal.reward_fn(ASKED, "invalid", [1], [2]), 0.0)
            with self.assertRaises(InfraError):
                areal.reward_fn(ASKED, "broken", [1], [2])
        self.assertEqual(problems_of(stub), [ASKED] * 3)
        self.assertEqual(pickle.loads(pickle.dumps(areal.reward_fn)), areal.reward_fn)

    def test_tinker(self):
        with Stub(by_length) as stub:
            told = asyncio.run(tinker.group_rewards(ASKED, ["abc", "invalid"], endpoint=stub.url))
        self.assertEqual([reward for reward, _ in told], [4.0, 0.0])
        self.assertEqual(told[0][1]["valid"], 1.0)

    def test_prompts(self):
        parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
        self.assertEqual(prompts.statement(parts), "ab")
        self.assertEqual(prompts.without_end("x<|im_end|>\n<|endoftext|>"), "x")
        llama = "<|start_header_id|>user<|end_header_id|>\n\nx y<|eot_id|><|start_header_id|>assistant"
        for rendered, said in [(llama, "x y"), ("<|im_start|>user\nx\ny<|im_end|>\n", "x\ny"), (ASKED, ASKED)]:
            self.assertEqual(prompts.unrendered(rendered), said)
        with self.assertRaisesRegex(ValueError, "no message of a user"):
            prompts.statement(CHAT[:1])

    def test_tracking_sends_a_step_once(self):
        sent, begun = [], []

        class Run:
            id = "r1"

            def log(self, values, step):
                sent.append((step, values))

            def finish(self):
                sent.append("finished")

        def init(**asked):
            begun.append(asked)
            return Run()

        with tempfile.TemporaryDirectory() as name, modules(wandb={"init": init}):
            run = pathlib.Path(name, "run")
            run.mkdir()
            lines = [f'{{"step":{step},"loss":0.5,"of":{{"a":1}},"note":"x"}}\n' for step in range(1, 5)]
            for kept in (lines[:3], lines[:2], lines[:2] + ['{"step":3,"lo'], lines):
                (run / "steps.jsonl").write_text("".join(kept))
                tracking.forward(run, "wandb", project="p")
            (run / "measurements.jsonl").write_text(
                '{"format":"codescaler/measurements","version":1}\n'
                '{"problem":"a","method":"first","n":2,"right":1.0}\n'
                '{"problem":"b","method":"first","n":2,"right":0.5}\n'
                '{"problem":"c","method":"first","n":2,"right":null,"left_out":"no_label"}\n'
            )
            tracking.forward(run, "wandb", project="p", follow=False)
            tracking.forward(run, "wandb", project="p")
        steps = [one for one in sent if one != "finished"]
        self.assertEqual([step for step, _ in steps], [1, 2, 3, 4, 5])
        self.assertEqual(steps[3][1], {"loss": 0.5, "of/a": 1.0})
        self.assertEqual(steps[4][1], {"right/first": 0.75})
        self.assertEqual([asked["id"] for asked in begun], [None] + ["r1"] * 5)
        self.assertEqual(begun[0]["name"], "run")

    def test_importing_the_adapters_imports_no_trainer(self):
        for name in ("torch", "ray", "trl", "verl", "openrlhf", "slime", "swift", "areal", "wandb", "mlflow"):
            self.assertNotIn(name, sys.modules)


if __name__ == "__main__":
    unittest.main()
