"""Agents in processes of their own cannot get past a quota together, nor lose a place in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Lab

SCRIPT = Path(__file__).with_name("agents_at_once.py")


@pytest.mark.parametrize("lab", ["server"], indirect=True)
def test_ten_agents_that_book_and_cancel_at_random_never_exceed_a_quota_and_can_fill_it(lab: Lab) -> None:
    wanted = ["--agents", "10", "--seconds", "2", "--store", lab.url, "--namespace", lab.namespace]
    done = subprocess.run([sys.executable, SCRIPT, *wanted], capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["problems"] == [], done.stderr
    assert found["fullest"] == 6
    assert found["done"]["schedule_prompt done"] > 10
    assert found["done"]["schedule_prompt limit_reached"] > 0
