"""What the fires do: they write to a book outside of the store, one line when they begin and one when they end.

A runner in the daemon (`run`), or a command (this file, run as a script; it imports nothing but the standard library).
A prompt's text says what is to happen: `quick 20`, `long 3500` (ms), `flaky 20` (each odd attempt fails).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

BOOK = "CHAOS_BOOK"
WHO = "CHAOS_WHO"
MUTATION = "CHAOS_MUTATION"


class Failed(Exception):
    """What a flaky runner raises."""


def write(path: str, **facts: Any) -> None:
    """One line, whole: O_APPEND makes each write one."""
    facts |= {"wall": time.time() * 1000, "mono": time.monotonic() * 1000}
    book = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(book, json.dumps(facts).encode() + b"\n")
    finally:
        os.close(book)


def begin(fire: str, attempt: int, how: str) -> dict[str, Any]:
    facts = {"fire": fire, "attempt": attempt, "who": os.environ[WHO], "pid": os.getpid()}
    write(os.environ[BOOK], what="begin", runner=how, **facts)
    return facts


def end(facts: dict[str, Any], how: str) -> None:
    write(os.environ[BOOK], what="end", how=how, **facts)


def is_to_fail(mood: str, attempt: int) -> bool:
    return mood == "flaky" and attempt % 2 == 1


async def run(fire: Any) -> str:
    """The `python` runner."""
    mood, ms = fire.text.split()[:2]
    facts = begin(fire.id, fire.attempt, "python")
    try:
        await asyncio.sleep(int(ms) / 1000)
    except asyncio.CancelledError:
        end(facts, "cancelled")
        raise
    if is_to_fail(mood, fire.attempt):
        end(facts, "raised")
        raise Failed("as it was told to")
    end(facts, "ok")
    return f"{fire.id}#{fire.attempt}"


def main() -> int:
    """The `command` runner."""
    mood, ms = sys.stdin.read().split()[:2]
    fire, attempt = os.environ["SCHEDULED_PROMPTS_FIRE_ID"], int(os.environ["SCHEDULED_PROMPTS_ATTEMPT"])
    facts = begin(fire, attempt, "command")
    time.sleep(int(ms) / 1000)
    if is_to_fail(mood, attempt):
        end(facts, "raised")
        return 1
    end(facts, "ok")
    print(f"{fire}#{attempt}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
