"""The house that is broken, for all who break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.broken import Broken


@pytest.fixture(scope="module")
def broken() -> Iterator[Broken]:
    house = Broken()
    yield house
    house.stop()
