"""What daemons do: they claim, take, extend, settle, reap, wake and purge, and time goes on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from scheduled_prompts.budgets import Budgets, OwnerBudget
from scheduled_prompts.limits import Concurrency, Limits
from scheduled_prompts.money import Usage
from scheduled_prompts.store.records import ClaimItem, Lease, Serves
from scheduled_prompts.store.transitions import skips_json
from tests.store.model.acts import act
from tests.store.model.callers import PLATFORMS, RUNNERS, CallerActs, definitions
from tests.store.model.rates import DAY
from tests.store.model.records import ENDED, ModelPrompt
from tests.store.model.steps import any_number, has_held, has_leases, has_prompts, has_undecided
from tests.store.steps import EVERYTHING, HOUR, KEEP, LEASE, MAX_CRASHES, claim_for, ending, manual_for

LIMITS = [
    Limits(),
    Limits(concurrency=Concurrency(owner=1)),
    Limits(concurrency=Concurrency(owner=2, runner=1)),
    Limits(concurrency=Concurrency(conversation=1, owners={"ann": 1})),
    Limits(concurrency=Concurrency(platform=2)),
    Limits(fires_per_owner=2),
    Limits(fires_per_conversation=1, fires_per_tree=2, concurrency=Concurrency(owner=1)),
]
BUDGETS = [
    Budgets(),
    Budgets(),
    Budgets(per_day=Decimal(1)),
    Budgets(reserve=Decimal("0.30"), owner_total=Decimal(1)),
    Budgets(per_fire=Decimal("0.40"), total=Decimal(3)),
    Budgets(owner_per_day=Decimal("0.50"), owners={"bob": OwnerBudget(per_fire=Decimal("0.20"))}),
]
SERVES = [
    EVERYTHING,
    EVERYTHING,
    Serves(("chat",), ("*",)),
    Serves(PLATFORMS, ("log",)),
    Serves(PLATFORMS, RUNNERS),
]
settled_as = st.sampled_from(
    [
        "succeeded",
        "failed",
        "timed_out",
        "cancelled",
        "interrupted",
        "retrying",
        "retrying",
        "queued",
        "given_back",
        "given_back",
    ]
)
changes_of_mind = st.sampled_from(["ask", "cancel", "edit", "pause", "skip"])
costs = st.sampled_from([None, None, "0", "0.20", "0.20", "0.90"])


class DaemonActs(CallerActs):
    @act(
        weight=2,
        when=has_prompts,
        picks=st.lists(any_number, min_size=1, max_size=4),
        fresh=st.sampled_from([True, True, False]),
        grace=st.sampled_from([None, None, 30_000]),
    )
    def claim(self, picks: list[int], fresh: bool, grace: int | None) -> None:
        """By what was read last, which may be stale."""
        found = [self.some_prompt(pick) for pick in picks]
        for known in found if fresh else []:
            self.read(known)
        self._claim([_item(known, grace) for known in found if known.read.next_nominal is not None])

    @act(
        weight=8,
        when=has_prompts,
        seconds=st.sampled_from([0, 0, 1, 3600]),
        ahead=st.sampled_from([0, 30_000]),
        limit=st.sampled_from([1, 2, 500]),
        serves=st.sampled_from(SERVES),
    )
    def look_around(self, seconds: float, ahead: int, limit: int, serves: Serves) -> None:
        """As a daemon does: all that is due, or soon will be, is claimed, and taken as far as it goes. Nobody stops
        all for long."""
        self.time_passes(seconds)
        self._claim_up_to(self.now() + ahead)
        self.reap(False)
        self.take(limit, serves)
        if self.model.is_halted:
            self.start_all()

    @act(
        weight=4,
        about="approval cancelling editing pausing skipping",
        when=has_prompts,
        before=st.sampled_from([1, 20, 30]),
        start=st.booleans(),
        changes=st.lists(st.tuples(changes_of_mind, any_number), max_size=4),
    )
    def take_ahead(self, before: float, start: bool, changes: list[tuple[str, int]]) -> None:
        """What is due next is claimed and taken shortly before, and perhaps begun. It can be taken back still, and is,
        by several at once."""
        self.look_around(0, 0, 500, EVERYTHING)
        coming = [known.next_at for known in self.model.prompts.values() if known.is_armed and known.next_at]
        if not coming:
            return
        self.time_passes(max(0, (min(coming) - self.now()) / 1000 - before))
        self.look_around(0, 30_000, 500, EVERYTHING)
        for lease in self.all_held() if start else []:
            self._extend(lease, start=True)
        for change, pick in changes:
            self._change_mind(change, pick)

    def _change_mind(self, change: str, pick: int) -> None:
        self.read(self.some_prompt(pick))
        if change == "cancel":
            self.cancel_fire(pick)
        elif change == "pause":
            self.pause(pick, with_version=False)
        elif change == "skip":
            self.skip(pick, "skip", later=-1)
        else:
            self.edit_schedule(pick, "b", HOUR, asks=change == "ask")

    def _claim_up_to(self, due: int) -> None:
        found = [known for known in self.model.prompts.values() if known.is_armed and (known.next_at or 0) <= due]
        for known in found:
            self.read(known)
        self._claim([_item(known, None) for known in found])

    @act(weight=3, when=has_prompts, picks=st.lists(any_number, min_size=1, max_size=4))
    def work(self, picks: list[int]) -> None:
        """Several are run by hand, and taken."""
        for pick in picks:
            self.read(self.some_prompt(pick))
            self.run_by_hand(pick)
        self.take(500, EVERYTHING)

    @act(weight=2, about="settings", when=has_prompts)
    def nobody_waits_for_ever(self) -> None:
        """Whatever the limits are: where all that runs ends, all that waits comes to its turn."""
        if self.model.is_halted:
            self.start_all()
        for _ in self.model.fires:
            self.take(500, EVERYTHING)
            if not (held := self.all_held()):
                break
            for lease in held:
                self._settle(lease, "succeeded", None)
        assert not [fire for fire in self.model.fires.values() if fire.status in ("queued", "running")]

    def _claim(self, items: list[ClaimItem]) -> None:
        now = self.now()
        answers = self.run(self.store.claim(items))
        assert answers == [self.model.claim(item, self.turn_of, now) for item in items]

    @act(when=has_prompts, pick=any_number)
    def run_by_hand(self, pick: int) -> None:
        async def ask() -> ClaimItem:
            return manual_for(self.store, self.some_prompt(pick).read)

        self._claim([self.run(ask())])

    @act(weight=2, about="settings", limits=st.sampled_from(LIMITS), budgets=st.sampled_from(BUDGETS))
    def change_settings(self, limits: Limits, budgets: Budgets) -> None:
        self.limits, self.budgets = limits, budgets

    @act(weight=3, limit=st.sampled_from([0, 1, 1, 2, 3, 500]), serves=st.sampled_from(SERVES))
    def take(self, limit: int, serves: Serves) -> None:
        now = self.now()
        found = self.run(
            self.store.take(
                limit, lease_ms=LEASE, daemon="daemon", serves=serves, limits=self.limits, budgets=self.budgets
            )
        )
        expected = self.model.take(limit, serves, self.limits, self.budgets, now + LEASE, now)
        assert [lease.fire.id for lease in found.leases] == [fire.id for fire in expected]
        assert not found.unreadable
        if not self.model.is_halted:
            assert found.waiting == len(self.model.ready(serves))
        for fire, lease in zip(expected, found.leases, strict=True):
            fire.token = lease.token
            assert (lease.fire.attempt, lease.fire.text) == (fire.attempt, fire.text)
        self.leases += found.leases

    @act(weight=2, when=has_leases, pick=any_number, start=st.booleans())
    def extend(self, pick: int, start: bool) -> None:
        self._extend(self.some_lease(pick), start)

    def _extend(self, lease: Lease, start: bool) -> None:
        now = self.now()
        [answer] = self.run(self.store.extend([(lease.fire.id, lease.token, now if start else None)], lease_ms=LEASE))
        fire = self.held(lease)
        if fire is None:
            assert answer == "lost"
            return
        asked = "take_back" if fire.is_taken_back else "cancel"
        assert answer == (asked if fire.cancel else "ok")
        fire.expiry = now + LEASE
        fire.started = fire.started or start

    @act(weight=7, when=has_held, ends=st.lists(st.tuples(any_number, settled_as, costs), min_size=1, max_size=4))
    def attempts_end(self, ends: list[tuple[int, str, str | None]]) -> None:
        """Of those that are held."""
        for pick, outcome, cost in ends:
            if held := self.all_held():
                self._settle(held[pick % len(held)], outcome, cost)

    @act(weight=2, when=has_leases, pick=any_number, outcome=settled_as, cost=costs)
    def settle(self, pick: int, outcome: str, cost: str | None) -> None:
        self._settle(self.some_lease(pick), outcome, cost)

    def _settle(self, lease: Lease, outcome: str, cost: str | None) -> None:
        now = self.now()
        reason = "given_back" if outcome == "given_back" else ""
        outcome = "queued" if reason else outcome
        usage = None if cost is None or reason else Usage(tokens_in=7, cost=Decimal(cost))
        retry_at = now + 20_000

        async def step() -> list[str]:
            item = ending(self.store, lease, outcome, reason=reason)
            item["retry_at"] = str(retry_at) if outcome == "retrying" else ""
            item["started_at"] = "" if reason else item["started_at"]
            if usage is not None:
                item["usage"] = self.budgets.counted(usage, now)
            return await self.store.settle([item], keep=KEEP)

        fire, known = self.held(lease), self.model.fires.get(lease.fire.id)
        # Once settled under this token, a repetition hears the same; once reaped or taken again, it is lost.
        is_known = known is not None and known.token == lease.token
        assert self.run(step()) == ["settled" if is_known else "lost"]
        if fire is not None:
            self.model.settle(fire, outcome, reason, retry_at, usage, now, self.budgets.day(now))

    @act(weight=1, leases=st.sampled_from([True, True, False]))
    def reap(self, leases: bool) -> None:
        now = self.now()
        found = self.run(self.store.reap(leases=leases, max_crashes=MAX_CRASHES))
        assert dict(found) == {**(self.model.reap(now) if leases else {}), **self.model.retry(now)}

    @act(weight=2, when=has_leases, started=st.booleans())
    def daemons_are_lost(self, started: bool) -> None:
        """And what they ran, and had `started`, is found when their leases are over."""
        for lease in self.all_held() if started else []:
            self._extend(lease, start=True)
        self.time_passes(LEASE / 1000)
        self.reap(True)

    @act(serves=st.sampled_from(SERVES))
    def wake(self, serves: Serves) -> None:
        assert self.run(self.store.wake(serves)) == self.model.wake_all(serves)

    @act(weight=2, about="repairs", when=has_prompts, pick=any_number, by=st.sampled_from([-HOUR, 0, 1, HOUR]))
    def retime(self, pick: int, by: int) -> None:
        """The rules of its zone changed."""
        known = self.some_prompt(pick)
        read = known.read
        if read.next_nominal is None:
            return
        following = read.next_nominal + by
        moved = self.run(self.store.retime(read, following, following))
        forward = read.last_nominal is None or following > read.last_nominal
        assert moved == (known.was_read_as_it_is and known.is_armed and forward)
        if moved:
            known.seq += 1
            known.next_at = following

    @act(weight=2, about="repairs", when=has_prompts, back=st.sampled_from([-1, 0, HOUR]))
    def purge(self, back: int) -> None:
        before = self.now() - back
        over, gone = [], []
        for prompt_id, known in self.model.prompts.items():
            mine = [fire for fire in self.model.fires.values() if fire.prompt == prompt_id]
            if known.read.version != known.version:
                continue
            if known.status not in ENDED:
                nominal = {fire.id: int(fire.id.rpartition("@")[2]) if "@" in fire.id else fire.due for fire in mine}
                gone += [fire.id for fire in mine if not fire.is_live and nominal[fire.id] < before]
            elif not self.model.live(prompt_id) and (known.ended_at or 0) < before:
                over.append(prompt_id)
                gone += [fire.id for fire in mine]
        found = self.run(self.store.purge([known.read for known in self.model.prompts.values()], before))
        assert (found.prompts, found.fires, found.undated) == (len(over), len(gone), [])
        self.model.forget(over, gone)

    @act(weight=2, about="halting", cancel=st.booleans())
    def stop_all(self, cancel: bool) -> None:
        stopped = self.run(self.store.stop_all(cancel_running=cancel))
        running = [fire for fire in self.model.fires.values() if fire.status == "running" and not fire.cancel]
        asked = self.model.stop_all(running, "halted", self.now())[1] if cancel else 0
        assert (stopped.is_new, stopped.asked_to_stop) == (not self.model.is_halted, asked)
        self.model.is_halted = True

    @act(weight=2, about="halting", when=lambda self: self.model.is_halted)
    def start_all(self) -> None:
        assert self.run(self.store.start_all()) is not None
        self.model.is_halted = False

    @act(seconds=st.sampled_from([0.001, 1, 20, 60, 61, 3600]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.store.clock.sleep(seconds))

    @act(
        weight=2,
        about="approval",
        when=has_undecided,
        pick=any_number,
        edited=st.booleans(),
        before=st.sampled_from([None, 0.001, 0]),
        ahead=st.sampled_from([1_000, HOUR]),
    )
    def approve_undecided(self, pick: int, edited: bool, before: float | None, ahead: int) -> None:
        """As it was read, though it was edited since; in the last moment, or when that is over."""
        undecided = self.undecided()
        known = undecided[pick % len(undecided)]
        self.read(known)
        if edited:
            self._edit_text(known, "b", asks=False)
        if before is not None:
            self.time_passes(max(0, (known.until - self.now()) / 1000 - before))
        self._approve(known, ahead)

    @act(before=st.sampled_from([5, 0.001]), definition=definitions)
    def the_day_comes_to_its_end(self, before: float, definition: dict[str, Any]) -> None:
        """And what is due on the next one is taken ahead."""
        self.time_passes((DAY - self.now() % DAY) / 1000 - before)
        self.save({**definition, "ahead": 30_000, "asks": False})
        self._claim_up_to(self.now() + 30_000)
        self.take(500, EVERYTHING)


def _item(known: ModelPrompt, grace: int | None) -> ClaimItem:
    item, skips = claim_for(known.read), known.read.skips
    nominal = int(item["nominal"])
    if grace is not None:
        item["deadline"] = str(int(item["due"]) + grace)
    if nominal in skips:
        item["skip"] = "requested"
    if skips and skips[0] <= nominal:
        item["skips"] = skips_json(skip for skip in skips if skip > nominal) or "[]"
    return item
