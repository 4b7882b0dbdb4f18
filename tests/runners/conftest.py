"""What a runner leaves behind, whatever the test did: nothing."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/dev/fd").iterdir()}


def children() -> set[str]:
    """This process's children, zombies included. Known on Linux only."""
    found: set[str] = set()
    for entry in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found.update(entry.read_text().split())
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no zombie, no descriptor, no temporary file."""
    files = tmp_path / "temporary"
    files.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(files))
    children_before, descriptors_before = children(), descriptors()
    yield
    assert list(files.iterdir()) == []
    assert len(descriptors() - descriptors_before) <= 1  # the listing itself
    deadline = time.monotonic() + 2
    while left := children() - children_before:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.01)
