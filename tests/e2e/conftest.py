from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.household import Household


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    runtime = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp"))  # a socket's path is short
    household = Household(tmp_path, runtime)
    yield household
    household.close()
    shutil.rmtree(runtime, ignore_errors=True)
