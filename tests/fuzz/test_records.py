"""Whatever somebody wrote into the store: no daemon dies of it, what is well fires on time, whoever looks is told, and
the doctor names it, and mends what follows from the records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.broken import Broken
from tests.fuzz.damage import MAKE, Damage, damages
from tests.fuzz.effort import tries
from tests.fuzz.house import kind_of

COMMON = ("platforms", "queues", "due:well", "leases", "meta")
"""What all depend on. Where one of these is no such key any more, or is gone, nothing can be found in it before the
doctor has mended it. (What `meta` says nobody can derive.)"""
UNSAID = ("op", "ended", "daemons", "daemon_info")
"""Kinds that go by themselves, or are mended by whoever comes by."""
EVERY_KIND = {
    "active:conversation", "active:owner", "approvals", "by:agent", "by:owner", "by:platform", "by:status",
    "daemon_info", "daemons", "due", "ended", "events", "fair", "fire", "halts", "history", "key", "leases",
    "live", "meta", "op", "parked", "parked:", "platforms", "prompt", "quarantine", "queues",
    "rate:conversation", "ready", "retries", "revoked", "slots", "spans", "spend:all", "spend:owner",
    "spend:prompt", "turns:conversation", "version",
}  # fmt: skip


def problems_after(broken: Broken, damage: Damage) -> list[str]:
    after = broken.after(damage)
    is_whole = damage.kind in ("gone", "of another type", "a text")
    of_its_own = broken.house.healthy in damage.name or (damage.name == "due:well" and not is_whole)
    forgiven: tuple[str, ...] = ()
    if of_its_own:  # it need not fire: it is not well
        forgiven = ("before: what is well", "after: what is well")
    elif damage.name in COMMON and is_whole:
        forgiven = ("before: what is well",)
    if damage.name == "meta":
        forgiven = (*forgiven, "open: ")
    problems = [problem for problem in after.problems if not problem.startswith(forgiven)]
    opened = not any(problem.startswith("open: ") for problem in after.problems)
    if opened and damage.kind == "of another type" and kind_of(damage.name) not in UNSAID:
        named = damage.name.rpartition(":")[2]
        if not any(named in said or named[:26][-8:] in said for said in after.told):
            problems.append(f"the doctor does not name {damage.name}: {after.told}")
        if any("should be a" in said for said in after.left):
            problems.append(f"the doctor does not mend {damage.name}: {after.left}")
    return problems


def test_the_house_has_a_key_of_every_kind(broken: Broken) -> None:
    assert set(broken.house.kinds) == EVERY_KIND


@pytest.mark.nightly
def test_nothing_is_wrong_with_a_house_that_nobody_broke(broken: Broken) -> None:
    after = broken.after()
    assert after.problems == []
    assert not [said for said in after.told if said.startswith("indexes")]


FOUND = (
    Damage("due:default", "a score", (0, "-inf")),
    Damage("approvals", "of another type", ("string",)),
    Damage("daemon_info", "of another type", ("list",)),
    Damage("retries", "a score", (0, "-inf")),
    Damage("ready:default/log", "of another type", ("stream",)),
    Damage("halts", "an element more", (b"asleep",)),
    Damage("quarantine", "a field cut short", (0, 142)),
    Damage("ended:5890752", "a field cut short", (0, 7)),
    Damage("spend:all", "a field", (0, b"")),
    Damage("by:status:cancelled", "a score", (0, "-inf")),
)


def test_what_stopped_a_daemon_once_does_not_even_all_together(broken: Broken) -> None:
    assert broken.after(*FOUND).problems == []


@tries(1, share=0.02)
@given(st.data())
def test_what_is_broken_harms_itself_alone(broken: Broken, data: st.DataObject) -> None:
    damage = data.draw(damages(broken.types))
    assert problems_after(broken, damage) == []


@pytest.mark.nightly
@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_a_key_of_each_kind_that_is_gone_or_is_of_another_type(broken: Broken, kind: str) -> None:
    name = broken.house.names(kind)[0]
    others = [Damage(name, "of another type", (other,)) for other in MAKE if other != broken.types[name]]
    deeds = [Damage(name, "gone"), *others]
    found = {damage: problems for damage in deeds if (problems := problems_after(broken, damage))}
    assert found == {}
