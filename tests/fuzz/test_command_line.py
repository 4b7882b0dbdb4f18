"""Whatever is typed: an exit code that is documented, no traceback, and with `--json` one document."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fakeredis import FakeStrictRedis
from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.cli import main
from scheduled_prompts.store.connection import _memory_servers
from tests.fuzz.effort import at_once, tries
from tests.fuzz.mutations import texts
from tests.whole_keys import read_all, write_all

CODES = {0, 1, 2, 3, 4, 5, 6, 130}
ID = "K3ZD7Q2M"
FIRE = f"{ID}@1767254400000"
_tried = itertools.count()
LINES = [
    ["add", "say hello", "--when", "in 20m"],
    ["add", "x", "--when", "every weekday at 9:00", "--tz", "Europe/Berlin", "--retries", "10s,1m", "--label", "a=b"],
    [
        "add",
        "-",
        "--when",
        "every 2h",
        "--timeout",
        "10m",
        "--jitter",
        "90s",
        "--priority",
        "7",
        "--quiet",
        "22:00-07:00",
    ],
    ["add", "x", "--when", "in 1h", "--start", "2030-01-01", "--end", "2031-01-01T09:00", "--max-fires", "3"],
    ["add", "x", "--when", "in 1h", "--max-cost", "2.50", "--budget-day", "5", "--grace", "1h", "--misfire", "all"],
    ["edit", ID, "--version", "3", "--text", "a better question"],
    [
        "edit",
        ID,
        "--force",
        "--when",
        "every weekday at 10am",
        "--label",
        "team=ops",
        "--unlabel",
        "old",
        "--clear",
        "name",
    ],
    ["pause", ID, "--note", "for now"],
    ["resume", ID],
    ["approve", ID],
    ["reject", ID, "--note", "no"],
    ["skip", ID, "next"],
    ["unskip", ID, "2026-01-01T09:00"],
    ["cancel", ID],
    ["run", ID],
    ["fire", "show", FIRE],
    ["fire", "cancel", f"{ID}@2026-01-01T09:00"],
    ["fire", "rerun", ID],
    ["list", "--status", "active", "--limit", "5", "--owner", "ann"],
    ["show", ID],
    ["history", ID, "--changes"],
    ["explain", ID, "--since", "2026-11-01", "--until", "2026-12-01"],
    ["explain", ID, "--at", "2026-11-24T09:00"],
    ["preview", "every day at 9am", "--count", "3", "--from", "2026-12-01", "--tz", "UTC"],
    ["stats"],
    ["events", "--limit", "3"],
    ["stop-all", "--note", "why"],
    ["start-all"],
    ["doctor", "--quick"],
    ["cleanup", "--days", "7"],
    ["export"],
    ["import", "-"],
    ["apply", "-", "--dry-run"],
    ["token", "revoke", "0123456789abcdef"],
    ["--help"],
]
WAITS = {"serve", "mcp", "--wait", "--wait-timeout", "--follow", "-f", "watch", "--output", "-o"}
"""What goes on until somebody ends it, and what writes files: not typed here."""
WORDS = sorted({word for line in LINES for word in line})
ARGUMENTS = st.one_of(st.sampled_from(WORDS), texts(WORDS))


THERE: list[str] = []
"""The prompt that is there, in whose place `ID` stands."""


class Told(NamedTuple):
    code: int
    out: str
    err: str


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    line = list(draw(st.sampled_from(LINES)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        kind = draw(st.integers(0, 4))
        if kind == 0 or not line:
            line.insert(at, draw(ARGUMENTS))
        elif kind == 1:
            line[min(at, len(line) - 1)] = draw(ARGUMENTS)
        elif kind == 2:
            line[min(at, len(line) - 1)] = draw(texts([line[min(at, len(line) - 1)]]))
        elif kind == 3:
            del line[min(at, len(line) - 1)]
        else:
            line[at:] = draw(st.sampled_from(LINES))[at:]
    return [word for word in line if word.split("=")[0] not in WAITS and "\x00" not in word]


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """An empty directory, and nothing of the environment's settings; a store, and a call that puts it back to one
    prompt."""
    before, variables = Path.cwd(), dict(os.environ)
    os.chdir(tmp_path_factory.mktemp("typed"))
    for name in [name for name in os.environ if name.startswith("SCHEDULED_PROMPTS_")]:
        del os.environ[name]
    os.environ["SCHEDULED_PROMPTS_STORE"] = "memory:fuzzed"
    os.environ["SCHEDULED_PROMPTS_TIMEZONE"] = "UTC"
    made = json.loads(typed("add", "x", "--when", "every 1h", "--json").out)
    THERE.append(made["prompt"]["id"][-8:])
    client = FakeStrictRedis(server=_memory_servers["fuzzed"], decode_responses=True)
    kept = read_all(client, "")

    def as_it_was() -> None:
        client.flushall()
        write_all(client, kept)

    yield as_it_was
    os.chdir(before)
    os.environ.clear()
    os.environ.update(variables)


def typed(*words: str, stdin: bytes = b"") -> Told:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    finally:
        sys.stdin = before
    told = []
    for stream in (out, err):
        stream.flush()
        told.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return Told(code, *told)


def judge(told: Told, *, as_json: bool) -> None:
    assert told.code in CODES, told
    for text in (told.out, told.err):
        assert "Traceback" not in text, told
        assert "unexpected:" not in text, told
        assert "pydantic" not in text, told
    if as_json:
        document = json.loads(told.out)
        assert isinstance(document, dict)
        assert not told.err.startswith("error"), told
        if told.code in (2, 3, 4, 5, 6):
            assert set(document["error"]) == {"code", "message", "hint"}
    elif told.code in (2, 3, 4, 5, 6):
        first = told.err.splitlines()[0] if told.err else told.out
        assert first, told


@tries(25)
@given(lines(), st.booleans(), st.one_of(st.just(b""), st.binary(max_size=40)))
def test_whatever_is_typed(elsewhere: Callable[[], None], line: list[str], as_json: bool, stdin: bytes) -> None:
    if next(_tried) % 100 == 99:  # what reads all that there is takes the longer, the more there is
        elsewhere()
    if as_json:
        line = [word for word in line if word not in ("--help", "--")]
        line.insert(0, "--json")  # behind an option it would be the value of that
    line = [word.replace(ID, THERE[0]) for word in line]
    told = at_once(lambda: typed(*line, stdin=stdin))
    judge(told, as_json=as_json and "--help" not in line)
