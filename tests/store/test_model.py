"""Any order of transitions, beside a model in plain Python of what must be true (see `model/`): briefly in `make test`,
at length in `make nightly`; there, too, whether the machine notices when a guard is taken away.
"""

from __future__ import annotations

import os

import pytest

from tests.conftest import Lab
from tests.store.model.machine import drive
from tests.store.model.mutations import MUTATIONS, mutated

BRIEFLY = int(os.environ.get("MODEL_EXAMPLES", "5"))
AT_LENGTH = 400
SOON_FOUND = ("a repeated take takes more",)
"""The mutation that `make test` tries."""
FOUND_WITHIN = 1000


def test_whatever_happens_in_whatever_order_the_store_does_as_the_model_says(lab: Lab) -> None:
    drive(lab, BRIEFLY)


@pytest.mark.nightly
def test_however_long_it_goes_on_the_store_does_as_the_model_says(lab: Lab) -> None:
    drive(lab, AT_LENGTH)


@pytest.mark.parametrize("lab", ["fakeredis"], indirect=True)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SOON_FOUND else pytest.mark.nightly) for name in MUTATIONS]
)
def test_a_guard_that_is_taken_away_is_noticed(lab: Lab, name: str) -> None:
    with mutated(MUTATIONS[name]), pytest.raises(AssertionError):
        drive(lab, FOUND_WITHIN, fixed=True)
