"""The scripts: one Lua file a transition, each with a header that binds KEYS and ARGV to names.

The names are checked against the Python side at import, so that the two cannot drift apart.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, cached_property
from importlib import resources
from typing import NamedTuple

_FOLDER = resources.files(__package__) / "scripts"
_PARTS = ("base", "waiting", "prompts", "account", "money", "ends", "approval", "callers", "repetition")
"""Of the prelude, in order: each may use what stands before it."""
_PRELUDE = "\n".join((_FOLDER / "prelude" / f"{part}.lua").read_text("utf-8") for part in _PARTS)
_DEFINES = re.compile(r"^local function (\w+)|^local ([\w, ]+?) *(?:=|$)|^(\w+) = function", re.MULTILINE)
_HEADER = re.compile(r"^-- (KEYS|ARGV): (.+)$", re.MULTILINE)


class Script:
    """One transition. `arguments` are the names in ARGV, in order; the first two are always `op` and `now`."""

    def __init__(self, name: str, arguments: str) -> None:
        source = (_FOLDER / f"{name}.lua").read_text("utf-8")
        header = dict(_HEADER.findall(source))
        if header != {"KEYS": "meta", "ARGV": arguments}:
            raise RuntimeError(f"scripts/{name}.lua says {header}, and Python calls it with {arguments!r}")
        self.name = name
        self.arguments = tuple(arguments.split())
        self.body = source

    @cached_property
    def source(self) -> str:
        return _what_it_uses(self.body) + self.body

    @cached_property
    def sha(self) -> str:
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def argv(self, values: dict[str, str | int]) -> list[str | int]:
        """The values in the order of the header. Raises KeyError for one that is missing."""
        if len(values) != len(self.arguments):
            raise KeyError(f"{self.name} takes {self.arguments}, not {tuple(values)}")
        return [values[name] for name in self.arguments]


class _Paragraph(NamedTuple):
    text: str
    defined: set[str]
    words: set[str]


@cache
def _paragraphs() -> list[_Paragraph]:
    """Of the prelude."""
    found = []
    for text in _PRELUDE.split("\n\n"):
        if words := _words(text):
            defined = {name.strip() for names in _DEFINES.findall(text) for name in "".join(names).split(",")}
            found.append(_Paragraph(text.strip("\n") + "\n\n", defined, words))
    return found


def _what_it_uses(source: str) -> str:
    """The paragraphs of the prelude that a script needs, in order: those that define a name which is used by it or by
    another of them, and those that define none. A server runs all of it at each call, and fakeredis compiles it."""
    used = _words(source)
    kept: set[int] = set()
    while more := {
        i for i, part in enumerate(_paragraphs()) if i not in kept and (not part.defined or part.defined & used)
    }:
        kept |= more
        used.update(*(_paragraphs()[i].words for i in more))
    return "".join(_paragraphs()[i].text for i in sorted(kept))


def _words(code: str) -> set[str]:
    return set(re.findall(r"\w+", re.sub(r"--.*", "", code)))


SAVE = Script("save", "op now mode prompt")
EDIT = Script("edit", "op now edit")
PAUSE = Script("pause", "op now id version reason note who")
RESUME = Script("resume", "op now id version seq status platform next_nominal next_at skips who limits")
SKIP = Script("skip", "op now mode id version nominal skips who")
DECIDE = Script("decide", "op now mode decision")
CANCEL = Script("cancel", "op now id who")
QUARANTINE = Script("quarantine", "op now id status version seq error")
CLAIM = Script("claim", "op now items")
TAKE = Script("take", "op now limit lease daemon serves limits budgets")
EXTEND = Script("extend", "op now lease items")
SETTLE = Script("settle", "op now keep items")
WAKE = Script("wake", "op now limits serves")
REAP = Script("reap", "op now limit leases max_crashes")
CANCEL_FIRE = Script("cancel_fire", "op now fire who")
REFUSE = Script("refuse", "op now who deed code note")
PURGE = Script("purge", "op now before keep items")
REPAIR = Script("repair", "op now mode schema items")
HALT = Script("halt", "op now mode by note cancel")
LOOK = Script("look", "op now page overdue serves")
READ = Script("read", "op now kind ids")
HEARTBEAT = Script("heartbeat", "op now daemon info alive")

ALL = (
    SAVE, EDIT, PAUSE, RESUME, SKIP, DECIDE, CANCEL, QUARANTINE,
    CLAIM, TAKE, EXTEND, SETTLE, WAKE, REAP, CANCEL_FIRE, REFUSE,
    PURGE, REPAIR, HALT, LOOK, READ, HEARTBEAT,
)  # fmt: skip
