"""Completion → program."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from codescaler import _core
from codescaler.problems import as_json, text

Policy: TypeAlias = Literal["best-valid", "single-valid", "last-fenced", "lcb", "edits", "whole"]
"""Which part of a completion is the program. `single-valid` is CodeScaler's."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found. Exactly one of `program` and `reason` is there."""

    program: str | None
    """The program, ready to score or run."""
    span: tuple[int, int] | None
    """Where it stands in the completion, in characters."""
    reason: str | None
    """Why there is none, in a word: `no_code`, `syntax`, `many_blocks` …"""
    message: str | None
    """The same for a person."""
    notes: tuple[str, ...]
    """What was seen on the way."""


def extract(
    completion: str,
    *,
    policy: Policy = "best-valid",
    language: str = "python",
    entry: Mapping[str, Any] | None = None,
) -> Extraction:
    """Finds the program in a completion. Every text gives an answer; nothing is run.

    `entry` says how the program will be called, such as `{"kind": "function", "name": "f"}`:
    `best-valid` then prefers what defines it.
    """
    called = as_json(entry or {"kind": "stdio"})
    program, span, reason, notes = _core.extract(text(completion), language, called, policy)
    name, message = reason or (None, None)
    return Extraction(program, span, name, message, tuple(notes))


def canonical(program: str, *, language: str = "python") -> str:
    """The program without comments, docstrings and layout of its own, variables called `a`, `b` …

    What a reward model with `"codescaler_programs": "canonical"` in its `config.json` is to be given
    where something else than `score` runs it. What does not parse stays as it is.
    """
    return _core.canonical(text(program), language)
