"""The house stands: nobody imports from the floor above, and time, chance and Redis come in by their own doors.

From the top: cli, mcp; hosting; the engine; the tools, which it hands to runners; the scheduler; the store; the records
and schedules. Beside the stairs: runners, which know the records alone. What stands on no floor (errors, version,
clock, settings, …) is everybody's, and imports nothing but its like.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import scheduled_prompts

HOUSE = Path(scheduled_prompts.__file__).parent
PACKAGE = "scheduled_prompts"

FLOORS = {
    "cli": 7,
    "mcp": 7,
    "hosting": 6,
    "engine": 5,
    "tools": 4,
    "scheduler": 3,
    "claims": 3,
    "store": 2,
    "runners": 2,
    "settings": 2,
    "testing": 2,
    "upcoming": 1,
    "policies_words": 1,
    "views": 1,
    "fire": 1,
    "prompt": 1,
    "tokens": 1,
    "inside": 0,
    "fencing": 1,
    "caller": 0,
    "limits": 0,
    "budgets": 0,
    "approval": 1,
    "money": 0,
    "policies": 0,
    "names": 0,
    "clock": 0,
    "ids": 0,
    "schedule": 0,
    "stored": 0,
    "durations": 0,
    "errors": 0,
    "version": 0,
}

RECORDS = {"runners", "fire", "inside", "money", "prompt", "policies", "names", "views", "errors"}
SCHEDULERS = {"scheduler/scheduler.py", "scheduler/sync.py"}
REDIS_IN_A_SIGNATURE = {"engine/daemon.py", "engine/host.py", *SCHEDULERS, "hosting.py"}
"""They take the caller's client and hand it to the store."""
TIMELESS = ["engine", "scheduler", "hosting.py", "claims.py", "upcoming.py", "schedule"]
"""Here time and chance come from the injected clock, or as arguments."""
CLOCKS = {"time", "random", "secrets"}
ASYNCIO_OF_THE_CLOCK = {"sleep", "wait_for"}
NOW = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}

FILES = sorted(HOUSE.rglob("*.py"), key=lambda path: (path != HOUSE / "__init__.py", path))
Import = tuple[str, tuple[str, ...], int]


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def room_of(path: Path) -> str:
    """`engine` for engine/worker.py; `scheduler` for scheduler.py."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> list[Import]:
    """(module, names, line), of all imports, those inside functions and for type checkers included."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: a relative import"
            assert node.module is not None
            yield node.module, tuple(alias.name for alias in node.names), node.lineno


def rooms_imported(path: Path) -> Iterator[tuple[str, int]]:
    for module, names, line in imports(path):
        parts = module.split(".")
        if parts[0] != PACKAGE:
            continue
        yield from [(parts[1], line)] if len(parts) > 1 else [(name, line) for name in names]


def files_in(*rooms: str) -> list[Path]:
    return [path for path in FILES if room_of(path) in {room.removesuffix(".py") for room in rooms}]


def test_every_room_stands_on_a_floor() -> None:
    assert {room_of(path) for path in FILES} - set(FLOORS) - {"__init__"} == set()


@pytest.mark.parametrize("path", FILES[1:], ids=name_of)  # without __init__.py: names from all floors, resolved lazily
def test_a_file_imports_from_its_own_floor_or_below(path: Path) -> None:
    upwards = [
        f"line {line}: {room}"
        for room, line in rooms_imported(path)
        if room != room_of(path) and FLOORS[room] > FLOORS[room_of(path)]
    ]
    assert upwards == []


@pytest.mark.parametrize("path", files_in("runners"), ids=name_of)
def test_runners_import_the_records_alone(path: Path) -> None:
    assert {room for room, _ in rooms_imported(path)} <= RECORDS


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) != "store"], ids=name_of)
def test_redis_is_spoken_to_in_the_store_alone(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    found = {module for module, _, _ in imports(path) if module.split(".")[0] in ("redis", "fakeredis", "valkey")}
    if not found:
        return
    assert name_of(path) in REDIS_IN_A_SIGNATURE
    assert found == {"redis.asyncio"}
    annotations = {
        id(name)
        for node in ast.walk(tree)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if annotation is not None
        for name in ast.walk(annotation)
    }
    spoken = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Redis" and id(node) not in annotations
    ]
    assert spoken == [], "the client is more than a type here"


@pytest.mark.parametrize("path", files_in(*TIMELESS), ids=name_of)
def test_time_and_chance_come_from_the_clock(path: Path) -> None:
    problems = [f"line {line}: import {module}" for module, _, line in imports(path) if module in CLOCKS]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
        if owner == "asyncio" and node.attr in ASYNCIO_OF_THE_CLOCK:
            problems.append(f"line {node.lineno}: asyncio.{node.attr}")
        if (owner, node.attr) in NOW:
            problems.append(f"line {node.lineno}: {owner}.{node.attr}")
        if node.attr == "time" and isinstance(node.value, ast.Call):
            problems.append(f"line {node.lineno}: a loop's time()")
    assert problems == []


def test_schedules_are_pure() -> None:
    """No event loop, no log, no environment: an instant comes in, an instant goes out."""
    for path in files_in("schedule"):
        modules = {module.split(".")[0] for module, _, _ in imports(path)}
        assert not modules & {"asyncio", "os", "socket", "structlog", "logging"}, name_of(path)


def test_importing_the_package_loads_next_to_nothing() -> None:
    assert {room for room, _ in _at_run_time(HOUSE / "__init__.py")} <= {"version"}


def _at_run_time(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield (node.module or "").split(".")[1], node.lineno
