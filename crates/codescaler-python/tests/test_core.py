"""The package over the core: what the command line does, with Python's types."""

import concurrent.futures
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import time
import unittest

import codescaler

ADD = {
    "id": "add",
    "statement": "Return the sum of a and b.",
    "entry": {"kind": "function", "name": "add"},
    "tests": {
        "visible": [{"args": [1, 2], "expected": 3}],
        "hidden": [{"args": [2, 2], "expected": 4}, {"args": [-1, 1], "expected": 0}],
    },
}
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a * b\n"


def fenced(program):
    return f"Here it is:\n```python\n{program}```\n"


def scores_of(scorer):
    return [one.score for one in scorer.score(ADD, [RIGHT, WRONG])]


class Extraction(unittest.TestCase):
    def test_a_program_and_where_it_stands(self):
        completion = "Voilà:\n" + fenced(RIGHT)
        found = codescaler.extract(completion)
        self.assertEqual(found.program.strip(), RIGHT.strip())
        begin, end = found.span
        self.assertEqual(completion[begin:end], found.program)
        self.assertIsNone(found.reason)

    def test_no_program_has_a_reason(self):
        self.assertEqual(codescaler.extract("I do not know.").reason, "no_code")
        twice = fenced(RIGHT) + fenced(WRONG)
        self.assertEqual(codescaler.extract(twice, policy="single-valid").reason, "many_blocks")

    def test_comments_layout_and_names_go(self):
        program = "def f( n ):\n  # Correct.\n  return (n+\n    1)\n"
        self.assertEqual(codescaler.canonical(program), "def f(a):\n    return a + 1\n")
        self.assertEqual(codescaler.canonical("def ("), "def (")
        self.assertEqual(codescaler.canonical("int a; // b\n", language="cpp"), "int a;\n")

    def test_any_text_is_read(self):
        self.assertIsNone(codescaler.extract("\ud83d broken").program)
        with self.assertRaisesRegex(ValueError, "unknown extraction policy"):
            codescaler.extract("", policy="any")


class Scoring(unittest.TestCase):
    def test_three_lines(self):
        scored = codescaler.score("Return the sum of a and b.", [RIGHT, "def (", ""])
        self.assertEqual([one.status for one in scored], ["ok", "invalid", "invalid"])
        self.assertIsInstance(scored[0].score, float)
        self.assertIn("syntax", scored[1].reason)

    def test_a_completion_scores_as_its_program(self):
        program = codescaler.extract(fenced(RIGHT)).program
        by_program = codescaler.score(ADD, [program])
        self.assertEqual(codescaler.score(ADD, [fenced(RIGHT)], extract="best-valid"), by_program)

    def test_a_score_does_not_depend_on_its_company(self):
        other = {"id": "add", "statement": "Return the product of a and b."}
        scorer = codescaler.Scorer()
        items = [(ADD, RIGHT), (other, RIGHT), (ADD, WRONG)]
        alone = [scorer.score_items([item])[0] for item in items]
        self.assertEqual(scorer.score_items(items), alone)
        self.assertNotEqual(alone[0].score, alone[1].score)

    def test_what_is_late_is_no_verdict(self):
        scored = codescaler.score(ADD, [RIGHT, WRONG], seconds_max=0.0)
        self.assertIn("infra_error", [one.status for one in scored])
        self.assertEqual(len(scored), 2)

    def test_too_long_is_not_invalid(self):
        scorer = codescaler.Scorer(tokens_max=64, too_long="error")
        scored = scorer.score("word " * 300, [RIGHT])
        self.assertEqual(scored[0].status, "too_long")

    def test_mistakes_are_named(self):
        for source, options, message in [
            ("no/such/file", {}, "cannot open no/such/file"),
            ("linear", {"threads": 2}, "threads is for decoders"),
            ("joint", {"threads": 0}, "threads is 0"),
            ("joint", {"precision": "f8"}, "no precision \"f8\": one of bf16, f32, int8"),
        ]:
            with self.subTest(source=source, options=options):
                with self.assertRaisesRegex(ValueError, message):
                    codescaler.Scorer(source, **options).score(ADD, [RIGHT])
        with self.assertRaisesRegex(ValueError, "statement"):
            codescaler.score({"id": "x"}, [RIGHT])

    def test_a_scorer_can_be_pickled(self):
        scorer = codescaler.Scorer("decoder", threads=1)
        again = pickle.loads(pickle.dumps(scorer))
        self.assertEqual(repr(again), "Scorer('decoder', threads=1)")
        self.assertEqual(scores_of(again), scores_of(scorer))

    def test_a_forked_process_scores_too(self):
        scorer = codescaler.Scorer()
        here = scores_of(scorer)
        with concurrent.futures.ProcessPoolExecutor(
            2, mp_context=multiprocessing.get_context("fork")
        ) as pool:
            there = list(pool.map(scores_of, [scorer] * 4, timeout=120))
        self.assertEqual(there, [here] * 4)
        self.assertEqual(scores_in_fork(scorer), here)

    def test_other_threads_run_meanwhile(self):
        """With the interpreter's lock held, the counter would stand still."""
        counted, done = [0], threading.Event()

        def count():
            while not done.is_set():
                counted[0] += 1
                time.sleep(0)

        codescaler.score(ADD, [RIGHT])
        thread = threading.Thread(target=count)
        thread.start()
        before = counted[0]
        codescaler.score(ADD, [RIGHT + f"# {number}\n" for number in range(64)])
        between = counted[0] - before
        done.set()
        thread.join()
        self.assertGreater(between, 10)


def scores_in_fork(scorer):
    """What a child says that inherited an open scorer."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, pickle.dumps(scores_of(scorer)))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        scores = pickle.loads(answer.read())
    os.waitpid(child, 0)
    return scores


class Execution(unittest.TestCase):
    def test_verdicts(self):
        right, wrong, broken = codescaler.execute(
            ADD, [RIGHT, WRONG, "def ("], suite="hidden", seconds_max=300
        )
        self.assertEqual((right.verdicts, right.passed), (("pass", "pass"), True))
        self.assertEqual((wrong.verdicts[0], wrong.passed), ("pass", False))
        self.assertEqual(broken.verdicts, ("compile_error",) * 2)

    def test_completions_without_a_program_fail(self):
        ran = codescaler.execute(ADD, ["No.", fenced(RIGHT)], extract="best-valid")
        self.assertEqual([one.passed for one in ran], [False, True])

    def test_no_tests_prove_nothing(self):
        self.assertIsNone(codescaler.execute("Say hello.", ["print('hello')"])[0].passed)

    def test_a_forked_process_has_its_own_sandbox(self):
        sandbox = codescaler.Sandbox(slots=1)
        self.assertTrue(sandbox.execute(ADD, [RIGHT])[0].passed)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if sandbox.execute(ADD, [RIGHT])[0].passed else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        # The child's end leaves ours alone.
        self.assertFalse(sandbox.execute(ADD, [WRONG + "\n"])[0].passed)
        again = pickle.loads(pickle.dumps(sandbox))
        self.assertEqual(again.protection, sandbox.protection)

    def test_an_interrupt_ends_the_work(self):
        # A shell that starts us in the background lets us ignore interrupts.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        endless = {**ADD, "limits": {"cpu_ms_max": 1500}}
        programs = [f"def add(a, b):\n    while True: pass  # {n}" for n in range(400)]
        timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        timer.start()
        started = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            codescaler.execute(endless, programs)
        self.assertLess(time.monotonic() - started, 200)


class Selection(unittest.TestCase):
    def test_the_best_score(self):
        choice = codescaler.select("rm_argmax", [RIGHT, None, WRONG], scores=[0.5, None, 2.0])
        self.assertEqual(choice.chosen, 2)
        self.assertEqual(choice.ranking[0], (2,))

    def test_missing_evidence_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "needs"):
            codescaler.select("rm_argmax", [RIGHT])
        with self.assertRaisesRegex(ValueError, "not finite"):
            codescaler.select("rm_argmax", [RIGHT], scores=[float("nan")])


class Shaping(unittest.TestCase):
    def test_rewards(self):
        self.assertEqual(codescaler.shape([None, 0.0], "sigmoid"), [0.0, 0.5])
        self.assertEqual(codescaler.shape([None, 1.5], {"kind": "raw", "invalid": -5}), [-5.0, 1.5])
        soft = codescaler.shape([-300.0, None])
        self.assertGreater(soft[0], soft[1])
        with self.assertRaisesRegex(ValueError, "unknown variant"):
            codescaler.shape([], "softmax")


class Curation(unittest.TestCase):
    def test_pairs_and_rows(self):
        programs = [
            {"program": RIGHT, "right": True, "source": "a"},
            {"program": WRONG, "right": False, "source": "a"},
        ]
        curated = codescaler.curate([(ADD, programs)], sources="any", balance_lengths=False, unaligned_share=0.0)
        self.assertEqual([one["chosen"]["program"] for one in curated.preferences], [RIGHT])
        row = codescaler.preference_row(curated.preferences[0], ADD)
        self.assertEqual(row["rejected"], [{"role": "assistant", "content": WRONG}])
        with self.assertRaisesRegex(ValueError, "no option \"pears\""):
            codescaler.curate([], pears=3)


class Records(unittest.TestCase):
    def test_what_is_written_is_read_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "labels.jsonl")
            labels = [{"problem": "add", "index": 0, "passed": True, "by": "me", "mine": [1, 2]}]
            codescaler.write_records(path, "labels", labels, {"seed": 1})
            self.assertEqual(codescaler.read_records(path, "labels"), (labels, {"seed": 1}))
            self.assertEqual(os.listdir(folder), ["labels.jsonl"])
            with self.assertRaisesRegex(ValueError, "labels"):
                codescaler.read_records(path, "scores")
            with self.assertRaisesRegex(ValueError, "record 0.*passed"):
                codescaler.write_records(path, "labels", [{"problem": "add", "index": 0}])


if __name__ == "__main__":
    unittest.main()
