"""Any order of transitions, beside a model in plain Python of what must be true.

The model knows no index and no key: only which prompts and fires there are, where each stands, and who holds it. After
each step the store must say the same, and all its indexes must add up. No prompt has an owner, so that fires go by when
they are due; whose turn it is among owners is test_fairness.py's. MODEL_EXAMPLES=1000 looks longer.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Once
from scheduled_prompts.store.records import Cancelled, EditItem, Lease, Refused, Serves
from scheduled_prompts.store.transitions import skips_json
from scheduled_prompts.testing import VirtualTimeLoop
from tests.accounting import check_accounts
from tests.conftest import Lab
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    KEEP,
    LEASE,
    MAX_CRASHES,
    claim_for,
    edit_of,
    ending,
    manual_for,
    new_prompt,
    reap,
    settle,
    take,
)

Answer = TypeVar("Answer")

PLATFORMS, RUNNERS = ("chat", "mail"), ("echo", "log")
ENDED = {"executed", "cancelled"}
LIVE = {"queued", "running", "retrying"}


@dataclass
class ModelPrompt:
    read: ScheduledPrompt
    """As it was when it was last read: what claims are made from, stale or not."""
    status: str
    version: int = 1
    seq: int = 0
    text: str = ""
    next_at: int | None = None
    last: int | None = None
    """The last nominal time that was claimed."""
    skips: set[int] = field(default_factory=set)
    ended_at: int | None = None
    failures: int = 0
    until: int = 0
    """How long approval is waited for, where it is."""

    @property
    def is_armed(self) -> bool:
        return self.status in ("scheduled", "active")

    @property
    def was_read_as_it_is(self) -> bool:
        read = self.read
        return (read.version, read.seq, read.status) == (self.version, self.seq, self.status)

    @property
    def refused(self) -> Refused:
        return Refused(self.status, str(self.version))


@dataclass
class ModelFire:
    id: str
    prompt: str
    due: int
    priority: int
    platform: str
    runner: str
    interrupt: bool
    text: str
    status: str = "queued"
    attempt: int = 0
    crashes: int = 0
    failures: int = 0
    token: str | None = None
    expiry: int = 0
    started: bool = False
    cancel: str = ""
    """How it ends where it heeds that it was asked to stop."""
    retry_at: int = 0
    deadline: int | None = None

    def is_too_late(self, now: int) -> bool:
        return self.attempt == 0 and self.deadline is not None and now > self.deadline

    @property
    def is_manual(self) -> bool:
        return "+" in self.id

    def stop(self, end: str) -> bool:
        """Ask it to stop; it ends at once where it waits. Returns whether that is still possible."""
        if self.status in ("queued", "retrying"):
            self.status = end
        elif self.status == "running":
            self.cancel = self.cancel if self.cancel and end == "skipped" else end
        else:
            return False
        return True


@dataclass
class Model:
    prompts: dict[str, ModelPrompt] = field(default_factory=dict)
    fires: dict[str, ModelFire] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def live(self, prompt: str) -> list[ModelFire]:
        return [fire for fire in self.fires.values() if fire.prompt == prompt and fire.status in LIVE]

    def ready(self, serves: Serves) -> list[ModelFire]:
        waiting = [f for f in self.fires.values() if f.status == "queued" and serves.includes(f.platform, f.runner)]
        return sorted(waiting, key=lambda fire: (-fire.priority, fire.due, fire.id))


any_number = st.integers(min_value=0, max_value=10**6)
outcomes = st.sampled_from(
    ["succeeded", "failed", "timed_out", "cancelled", "interrupted", "retrying", "retrying", "queued"]
)


class StoreMachine(RuleBasedStateMachine):
    lab: Lab

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.space = Lab(self.lab.url, self.lab.inspector)
        self.store = self.run(self.space.store())
        self.model = Model()
        self.leases: list[Lease] = []
        """All that were ever handed out: most of them are lost by now."""

    def run(self, step: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(step)

    def now(self) -> int:
        async def ask() -> int:
            return self.store.clock.now()

        return self.run(ask())

    def teardown(self) -> None:
        try:
            self.run(self.space.__aexit__(None, None, None))
            self.runner.close()
        finally:
            self.space.clear()

    def some_prompt(self, pick: int) -> ModelPrompt:
        return list(self.model.prompts.values())[pick % len(self.model.prompts)]

    def has_prompts(self) -> bool:
        return bool(self.model.prompts)

    def has_leases(self) -> bool:
        return bool(self.leases)

    @rule(
        once=st.booleans(),
        key=st.sampled_from(["a", "b", None, None]),
        platform=st.sampled_from(PLATFORMS),
        runner=st.sampled_from(RUNNERS),
        priority=st.sampled_from([0, 50, 100]),
        on_crash=st.sampled_from(["rerun", "interrupt"]),
        agent=st.sampled_from([None, "bot"]),
        conversation=st.sampled_from([None, "chat"]),
        ahead=st.sampled_from([-HOUR, 0, 30_000, HOUR]),
        pause_after=st.sampled_from([0, 1, 1, 2]),
        asks=st.sampled_from([False, False, True]),
    )
    def save(self, once: bool, key: str | None, ahead: int, asks: bool, **fields: Any) -> None:
        async def step() -> None:
            now = self.store.clock.now()
            until = now + HOUR
            if asks:
                waits = {"pending_since": now, "pending_until": until, "pending_why": "so"}
                fields.update(waits, status="pending_approval")
            prompt = new_prompt(self.store, once=once, key=key, next_at=now + ahead, **fields)
            holder = self.model.keys.get(key or "")
            if holder in self.model.prompts and self.model.prompts[holder].status not in ENDED:
                assert await self.store.create(prompt) == holder
                return
            assert await self.store.create(prompt) is None
            self.model.prompts[prompt.id] = ModelPrompt(prompt, prompt.status, text=prompt.text, next_at=prompt.next_at)
            self.model.prompts[prompt.id].until = until
            if key is not None:
                self.model.keys[key] = prompt.id

        self.run(step())

    @precondition(has_prompts)
    @rule(pick=any_number)
    def read_again(self, pick: int) -> None:
        known = self.some_prompt(pick)
        [found] = self.run(self.store.read_prompts([known.read.id]))
        assert isinstance(found, ScheduledPrompt)
        known.read = found

    @precondition(has_prompts)
    @rule(picks=st.lists(any_number, min_size=1, max_size=4), grace=st.sampled_from([None, None, 30_000]))
    def claim(self, picks: list[int], grace: int | None) -> None:
        """By what was read last, which may be stale."""
        items, expected = [], []
        now = self.now()
        for pick in picks:
            known = self.some_prompt(pick)
            if known.read.next_nominal is None:
                continue
            nominal, skips = known.read.next_nominal, known.read.skips
            item = claim_for(known.read)
            if grace is not None:
                item["deadline"] = str(int(item["due"]) + grace)
            if nominal in skips:
                item["skip"] = "requested"
            if skips and skips[0] <= nominal:
                item["skips"] = skips_json(skip for skip in skips if skip > nominal) or "[]"
            items.append(item)
            if not known.was_read_as_it_is or not known.is_armed:
                expected.append("lost")
                continue
            expected.append("claimed")
            self._fire(item["fire"], known, int(item["due"]))
            self.model.fires[item["fire"]].deadline = int(item["deadline"]) if item["deadline"] else None
            if item["skip"]:
                self.model.fires[item["fire"]].status = "skipped"
            known.seq += 1
            known.last = nominal
            known.skips = {skip for skip in known.skips if skip > nominal and item["next_at"]}
            known.next_at = int(item["next_at"]) if item["next_at"] else None
            if known.next_at is None:
                known.status, known.ended_at = "executed", max(now, int(item["due"]))
        assert self.run(self.store.claim(items)) == expected

    @precondition(has_prompts)
    @rule(pick=any_number)
    def run_by_hand(self, pick: int) -> None:
        async def step() -> None:
            known = self.some_prompt(pick)
            item = manual_for(self.store, known.read)
            answer = await self.store.claim([item])
            fresh = known.read.version == known.version
            assert answer == ["claimed" if fresh and known.status not in ("cancelled", "pending_approval") else "lost"]
            if answer == ["claimed"]:
                self._fire(item["fire"], known, int(item["due"]))

        self.run(step())

    def _fire(self, fire_id: str, known: ModelPrompt, due: int) -> None:
        read, interrupt = known.read, known.read.on_crash == "interrupt"
        self.model.fires[fire_id] = ModelFire(
            fire_id, read.id, due, read.priority, read.platform, read.runner, interrupt, known.text
        )

    # What somebody asks for

    @precondition(has_prompts)
    @rule(
        pick=any_number,
        text=st.sampled_from("abc"),
        platform=st.sampled_from(PLATFORMS),
        agent=st.sampled_from([None, "bot"]),
        conversation=st.sampled_from(["chat", "room"]),
        asks=st.booleans(),
    )
    def edit_text(self, pick: int, text: str, asks: bool, **others: str | None) -> None:
        known = self.some_prompt(pick)
        answer = self.run(self.store.edit(self._asking(edit_of(known.read, text=text, **others), asks)))
        if known.status in ("cancelled", "quarantined") or known.read.version != known.version:
            assert answer == known.refused
            return
        if asks and known.status == "executed":
            assert answer == "over"
            return
        known.version += 1
        assert answer == known.version
        known.text = text
        if asks and known.status != "pending_approval":
            known.seq += 1
            self._wait(known)

    def _asking(self, item: EditItem, asks: bool) -> EditItem:
        """By somebody whose edits are to be approved, or not."""
        return {**item, "approval": {"until": str(self.now() + HOUR), "why": "so"}} if asks else item

    def _wait(self, known: ModelPrompt) -> None:
        known.status, known.until = "pending_approval", self.now() + HOUR
        self._take_back(known, self.now(), only_ahead=False)

    @precondition(has_prompts)
    @rule(
        pick=any_number,
        text=st.sampled_from("abc"),
        ahead=st.sampled_from([1, 1_000, HOUR, 3 * HOUR]),
        asks=st.booleans(),
    )
    def edit_schedule(self, pick: int, text: str, ahead: int, asks: bool) -> None:
        known = self.some_prompt(pick)
        now = self.now()
        item = edit_of(known.read, text=text, next_at=now + ahead)
        answer = self.run(self.store.edit(self._asking(item, asks)))
        holder = self.model.keys.get(known.read.key or "")
        if known.status == "cancelled" or known.read.version != known.version:
            assert answer == known.refused
        elif known.last is not None and now + ahead <= known.last:
            assert answer == "moved"
        elif holder not in (None, known.read.id) and self.model.prompts[holder].status not in ENDED:  # type: ignore[index]
            assert answer == holder
        else:
            known.version += 1
            assert answer == known.version
            known.seq += 1
            known.text, known.next_at, known.ended_at = text, now + ahead, None
            known.failures = 0 if known.status == "quarantined" else known.failures
            known.skips.clear()
            if known.read.key:
                self.model.keys[known.read.key] = known.read.id
            if asks and known.status != "pending_approval":
                self._wait(known)
                return
            known.status = known.status if known.status in ("paused", "pending_approval") else item["status"]
            self._take_back(known, now, only_ahead=True)

    def _take_back(self, known: ModelPrompt, now: int, *, only_ahead: bool) -> int:
        back = [
            fire
            for fire in self.model.live(known.read.id)
            if not fire.is_manual and (fire.due > now or (not only_ahead and fire.status != "running"))
        ]
        for fire in back:
            fire.stop("skipped")
        return len(back)

    @precondition(has_prompts)
    @rule(pick=any_number, with_version=st.booleans())
    def pause(self, pick: int, with_version: bool) -> None:
        known = self.some_prompt(pick)
        version = known.read.version if with_version else None
        answer = self.run(self.store.pause(known.read.id, version=version, reason="requested"))
        if not known.is_armed or version not in (None, known.version):
            assert answer == known.refused
            return
        known.status = "paused"
        known.version += 1
        known.seq += 1
        assert answer == self._take_back(known, self.now(), only_ahead=False)

    @precondition(has_prompts)
    @rule(pick=any_number, ahead=st.sampled_from([0, 1_000, HOUR]))
    def resume(self, pick: int, ahead: int) -> None:
        known = self.some_prompt(pick)
        following = self.now() + ahead
        status = "scheduled" if isinstance(known.read.schedule, Once) else "active"
        answer = self.run(self.store.resume(known.read, status, following, following))
        fresh = (known.read.version, known.read.seq) == (known.version, known.seq)
        if known.status != "paused" or not fresh or (known.last is not None and following <= known.last):
            assert answer == known.refused
            return
        assert answer is None
        known.status, known.next_at, known.failures = status, following, 0
        known.version += 1
        known.seq += 1
        known.skips = {skip for skip in known.read.skips if skip >= following}

    @precondition(has_prompts)
    @rule(pick=any_number, ahead=st.sampled_from([0, 1_000, HOUR]))
    def approve(self, pick: int, ahead: int) -> None:
        known = self.some_prompt(pick)
        following = self.now() + ahead
        status = "scheduled" if isinstance(known.read.schedule, Once) else "active"
        answer = self.run(self.store.approve(known.read, status, following, following))
        if known.status != "pending_approval" or known.read.version != known.version:
            assert answer == known.refused
        elif known.until <= self.now():
            assert answer == Refused("late")
        elif known.read.seq != known.seq or (known.last is not None and following <= known.last):
            assert answer == known.refused
        else:
            assert answer is None
            known.status, known.next_at, known.failures = status, following, 0
            known.version += 1
            known.seq += 1
            known.skips = {skip for skip in known.read.skips if skip >= following}

    @precondition(has_prompts)
    @rule(pick=any_number, with_version=st.booleans())
    def reject(self, pick: int, with_version: bool) -> None:
        known = self.some_prompt(pick)
        version = known.read.version if with_version else None
        answer = self.run(self.store.reject(known.read.id, version=version))
        if known.status != "pending_approval" or version not in (None, known.version):
            assert answer == known.refused
        else:
            assert answer == self._end(known)

    @rule()
    def expire(self) -> None:
        now = self.now()
        late = [p for p in self.model.prompts.values() if p.status == "pending_approval" and p.until <= now]
        assert set(self.run(self.store.expire_approvals())) == {known.read.id for known in late}
        for known in late:
            self._end(known)

    def _end(self, known: ModelPrompt) -> tuple[int, int]:
        """It is cancelled. Returns how many fires ended by that, and how many were asked to."""
        live = self.model.live(known.read.id)
        running = [fire for fire in live if fire.status == "running"]
        known.status, known.next_at, known.ended_at = "cancelled", None, self.now()
        known.version += 1
        known.seq += 1
        known.skips.clear()
        for fire in live:
            fire.stop("cancelled")
        return len(live) - len(running), len(running)

    @precondition(has_prompts)
    @rule(pick=any_number, mode=st.sampled_from(["skip", "unskip"]), later=st.integers(-1, 2))
    def skip(self, pick: int, mode: Literal["skip", "unskip"], later: int) -> None:
        known = self.some_prompt(pick)
        nominal = (known.read.next_nominal or known.read.last_nominal or 0) + later * HOUR
        wanted = {*known.read.skips} | {nominal} if mode == "skip" else {*known.read.skips} - {nominal}
        answer = self.run(self.store.skip(mode, known.read, nominal, wanted))
        fire = self.model.fires.get(f"{known.read.id}@{nominal}")
        if known.last is not None and nominal <= known.last:
            if fire is None:
                assert answer == "missed"
            elif mode == "unskip" or fire.due <= self.now():
                assert answer == fire.status
            else:
                before = fire.status
                assert answer == ("taken_back" if fire.stop("skipped") else before)
        elif (known.is_armed or known.status == "paused") and known.read.version == known.version:
            assert answer == "done"
            known.version += 1
            known.skips = {skip for skip in wanted if known.last is None or skip > known.last}
        else:
            assert answer == known.refused

    @precondition(lambda self: bool(self.model.fires))
    @rule(pick=any_number)
    def cancel_fire(self, pick: int) -> None:
        fire = list(self.model.fires.values())[pick % len(self.model.fires)]
        before = fire.status
        answer = self.run(self.store.cancel_fire(fire.id))
        if not fire.stop("cancelled"):
            assert answer == Refused(before)
        else:
            assert answer == ("asked" if before == "running" else "ended")

    @precondition(has_prompts)
    @rule(pick=any_number)
    def quarantine(self, pick: int) -> None:
        known = self.some_prompt(pick)
        expected = known.was_read_as_it_is and known.status not in {*ENDED, "quarantined"}
        assert self.run(self.store.quarantine(known.read, "broken")) == expected
        if expected:
            known.status = "quarantined"

    # Zone rules

    @precondition(has_prompts)
    @rule(pick=any_number, by=st.sampled_from([-HOUR, 0, 1, HOUR]))
    def retime(self, pick: int, by: int) -> None:
        known = self.some_prompt(pick)
        read = known.read
        if read.next_nominal is None:
            return
        moved = self.run(self.store.retime(read, read.next_nominal + by, read.next_nominal + by))
        fresh = known.was_read_as_it_is and known.is_armed
        forward = read.last_nominal is None or read.next_nominal + by > read.last_nominal
        assert moved == (fresh and forward)
        if moved:
            known.seq += 1
            known.next_at = read.next_nominal + by

    @rule(
        limit=st.integers(0, 3),
        platforms=st.sampled_from([("*",), ("chat",), PLATFORMS]),
        runners=st.sampled_from([("*",), ("log",), RUNNERS]),
    )
    def take(self, limit: int, platforms: tuple[str, ...], runners: tuple[str, ...]) -> None:
        serves = Serves(platforms, runners)
        ready, expected = self.model.ready(serves), []
        found = self.run(take(self.store, limit, serves=serves))
        while ready and len(expected) < limit:
            fire = ready.pop(0)
            if fire.is_too_late(self.now()):
                fire.status = "missed"
            else:
                expected.append(fire.id)
        assert [lease.fire.id for lease in found.leases] == expected
        assert found.waiting == len(ready)
        assert not found.unreadable
        for lease in found.leases:
            fire = self.model.fires[lease.fire.id]
            fire.status, fire.token, fire.started = "running", lease.token, False
            fire.attempt += 1
            fire.expiry = self.now() + LEASE
            assert (lease.fire.attempt, lease.fire.text) == (fire.attempt, fire.text)
            self.leases.append(lease)

    def held(self, lease: Lease) -> ModelFire | None:
        """The fire of a lease, if it is still held by it."""
        fire = self.model.fires.get(lease.fire.id)
        return fire if fire is not None and fire.status == "running" and fire.token == lease.token else None

    @precondition(has_leases)
    @rule(pick=any_number, start=st.booleans())
    def extend(self, pick: int, start: bool) -> None:
        lease = self.leases[-1 - pick % len(self.leases)]
        now = self.now()
        [answer] = self.run(self.store.extend([(lease.fire.id, lease.token, now if start else None)], lease_ms=LEASE))
        fire = self.held(lease)
        asked = {"": "ok", "cancelled": "cancel", "skipped": "take_back"}
        assert answer == ("lost" if fire is None else asked[fire.cancel])
        if fire is not None:
            fire.expiry = now + LEASE
            fire.started = fire.started or start

    @precondition(has_leases)
    @rule(pick=any_number, outcome=outcomes)
    def settle(self, pick: int, outcome: str) -> None:
        async def step() -> None:
            lease = self.leases[-1 - pick % len(self.leases)]
            fire = self.held(lease)
            known = self.model.fires.get(lease.fire.id)
            retry_at = self.store.clock.now() + 20_000
            item = ending(self.store, lease, outcome, retry_at=retry_at if outcome == "retrying" else None)
            [answer] = await settle(self.store, [item], keep=KEEP)
            # Once settled under this token, a repetition hears the same; once reaped or taken again, it is lost.
            assert answer == ("settled" if known is not None and known.token == lease.token else "lost")
            if fire is None:
                return
            if outcome in ("retrying", "queued", "cancelled") and fire.cancel:
                fire.status = fire.cancel
                return
            fire.failures += outcome in ("failed", "timed_out", "retrying")
            if outcome in ("retrying", "queued") and self._rests(fire):
                fire.status = "failed" if outcome == "retrying" else "skipped"
            else:
                fire.status, fire.retry_at = outcome, retry_at
            self._count_end(fire, self.store.clock.now())

        self.run(step())

    @precondition(has_leases)
    @rule(outcome=st.sampled_from(["failed", "timed_out", "succeeded"]))
    def settle_the_latest(self, outcome: str) -> None:
        """Which is the likeliest to be held still."""
        self.settle(0, outcome)

    def _rests(self, fire: ModelFire) -> bool:
        """Whether there is no next attempt, because its prompt was paused meanwhile, or waits for approval."""
        known = self.model.prompts.get(fire.prompt)
        return not fire.is_manual and known is not None and known.status in ("paused", "pending_approval")

    def _count_end(self, fire: ModelFire, now: int) -> None:
        """So many failures in a row pause a recurring prompt."""
        known = self.model.prompts.get(fire.prompt)
        if known is None or fire.status not in ("succeeded", "failed", "timed_out"):
            return
        known.failures = 0 if fire.status == "succeeded" else known.failures + 1
        if known.status == "active" and 0 < known.read.pause_after <= known.failures:
            known.status = "paused"
            known.version += 1
            known.seq += 1
            self._take_back(known, now, only_ahead=False)

    @rule(leases=st.booleans())
    def reap(self, leases: bool) -> None:
        now = self.now()
        expected = {}
        lost = [fire for fire in self.model.fires.values() if fire.status == "running" and fire.expiry <= now]
        for fire in sorted(lost, key=lambda fire: (fire.expiry, fire.id)) if leases else []:
            fire.crashes += 1
            fire.token = None
            if fire.cancel:
                fire.status = fire.cancel
            elif fire.interrupt and fire.started:
                fire.status = "interrupted"
            elif fire.crashes >= MAX_CRASHES:
                fire.status = "failed"
            elif self._rests(fire):
                fire.status = "interrupted" if fire.started else "skipped"
            else:
                fire.status = "queued"
            expected[fire.id] = fire.status
            self._count_end(fire, now)
        for fire in self.model.fires.values():
            if fire.status == "retrying" and fire.retry_at <= now:
                fire.status = "queued"
                expected[fire.id] = "retried"
        assert dict(self.run(reap(self.store, leases=leases))) == expected

    @precondition(has_prompts)
    @rule(pick=any_number)
    def cancel(self, pick: int) -> None:
        known = self.some_prompt(pick)
        live = self.model.live(known.read.id)
        answer = self.run(self.store.cancel(known.read.id))
        if known.status == "cancelled" or (known.status == "executed" and not live):
            assert answer == Refused(known.status)
            return
        before = known.status
        assert answer == Cancelled(before, *self._end(known))

    @precondition(has_prompts)
    @rule(back=st.sampled_from([-1, 0, HOUR]))
    def purge(self, back: int) -> None:
        before = self.now() - back
        over, fires = [], 0
        for prompt_id, known in self.model.prompts.items():
            mine = [fire for fire in self.model.fires.values() if fire.prompt == prompt_id]
            if known.read.version != known.version:
                continue
            if known.status not in ENDED:
                nominal = {fire.id: int(fire.id.rpartition("@")[2]) if "@" in fire.id else fire.due for fire in mine}
                gone = [fire.id for fire in mine if fire.status not in LIVE and nominal[fire.id] < before]
            elif self.model.live(prompt_id) or (known.ended_at or 0) >= before:
                continue
            else:
                over.append(prompt_id)
                gone = [fire.id for fire in mine]
            fires += len(gone)
            for fire_id in gone:
                del self.model.fires[fire_id]
        found = self.run(self.store.purge([known.read for known in self.model.prompts.values()], before))
        assert (found.prompts, found.fires, found.undated) == (len(over), fires, [])
        for prompt_id in over:
            del self.model.prompts[prompt_id]
        self.model.keys = {key: p for key, p in self.model.keys.items() if p not in over}

    @rule(seconds=st.sampled_from([0.001, 1, 20, 60, 61, 3600]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.store.clock.sleep(seconds))

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        self._forget_answers()
        keys = self.space.keys()
        check_accounts(keys)
        prompts = {n.removeprefix("prompt:"): value for n, value in keys.items() if n.startswith("prompt:")}
        assert {
            prompt: (
                stored["status"],
                stored["version"],
                stored["seq"],
                stored["next_at"],
                stored.get("failures", "0"),
                {int(skip) for skip in json.loads(stored.get("skips", "[]"))},
            )
            for prompt, stored in prompts.items()
        } == {
            prompt: (
                known.status,
                str(known.version),
                str(known.seq),
                str(known.next_at or ""),
                str(known.failures),
                known.skips,
            )
            for prompt, known in self.model.prompts.items()
        }
        fires = {n.removeprefix("fire:"): value for n, value in keys.items() if n.startswith("fire:")}
        assert {
            fire: (
                stored["status"],
                stored["attempt"],
                stored.get("crashes", "0"),
                stored.get("failures", "0"),
                stored.get("token"),
                "cancel" in stored,
            )
            for fire, stored in fires.items()
        } == {
            fire.id: (
                fire.status,
                str(fire.attempt),
                str(fire.crashes),
                str(fire.failures),
                fire.token,
                fire.cancel != "",
            )
            for fire in self.model.fires.values()
        }

    def _forget_answers(self) -> None:
        """No step is repeated here, and reading all that was kept for that takes most of the time."""
        pattern = self.space.prefix.replace("{", "\\{") + "op:*"
        if answers := list(self.space.inspector.scan_iter(match=pattern, count=1000)):
            self.space.inspector.delete(*answers)

    @invariant()
    def a_look_sees_what_is_there(self) -> None:
        now = self.now()
        seen = self.run(self.store.look(overdue=now, serves=EVERYTHING))
        by_status: dict[str, list[ModelFire]] = {"queued": [], "running": [], "retrying": []}
        for fire in self.model.fires.values():
            by_status.setdefault(fire.status, []).append(fire)
        assert seen.ready == len(by_status["queued"])
        assert seen.first_lease == min((fire.expiry for fire in by_status["running"]), default=None)
        assert seen.first_retry == min((fire.retry_at for fire in by_status["retrying"]), default=None)
        overdue = {
            prompt: known.next_at
            for prompt, known in self.model.prompts.items()
            if known.is_armed and known.next_at is not None and known.next_at <= now
        }
        assert {prompt: due for prompt, due, _ in seen.overdue} == overdue


def test_whatever_happens_in_whatever_order_the_store_does_as_the_model_says(lab: Lab) -> None:
    machine = type("Machine", (StoreMachine,), {"lab": lab})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("MODEL_EXAMPLES", "20")),
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
