"""Judges programs that language models write.

    import codescaler
    scored = codescaler.score("Return the sum of a and b.", ["def f(a, b): return a + b"])
    print(scored[0].score)
"""

from codescaler._core import __version__
from codescaler.curation import Curated, curate, preference_row
from codescaler.execution import Executed, Fault, Sandbox, execute
from codescaler.extraction import Extraction, canonical, extract
from codescaler.records import Kind, read_records, write_records
from codescaler.reward import InfraError, Item, Reward, RewardError, Rewarder
from codescaler.scoring import Scored, Scorer, score
from codescaler.selection import Choice, select
from codescaler.shaping import Shaping, shape

__all__ = [
    "Choice",
    "Curated",
    "Executed",
    "Extraction",
    "Fault",
    "InfraError",
    "Item",
    "Kind",
    "Reward",
    "RewardError",
    "Rewarder",
    "Sandbox",
    "Scored",
    "Scorer",
    "Shaping",
    "__version__",
    "canonical",
    "curate",
    "execute",
    "extract",
    "preference_row",
    "read_records",
    "score",
    "select",
    "shape",
    "write_records",
]
