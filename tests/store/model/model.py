"""All that the model knows, and the two steps in which it is decided what runs: claim and take."""

from __future__ import annotations

from collections.abc import Callable

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store.records import ClaimItem, Serves
from tests.store.model.ends import Ends
from tests.store.model.records import ENDED, ModelFire, ModelPrompt, fire_of
from tests.store.model.waiting import limits_of

LOOKED_AT = 1000
"""How many a take looks at."""


class Model(Ends):
    def __init__(self) -> None:
        super().__init__()
        self.prompts: dict[str, ModelPrompt] = {}
        self.fires: dict[str, ModelFire] = {}
        self.keys: dict[tuple[str | None, str | None], str] = {}
        self.is_halted = False

    def holder(self, prompt: ScheduledPrompt) -> str | None:
        """The living prompt that has its key."""
        found = self.prompts.get(self.keys.get((prompt.owner, prompt.key), ""))
        return None if found is None or found.status in ENDED else found.read.id

    def take_key(self, prompt: ScheduledPrompt) -> None:
        if prompt.key is not None:
            self.keys[prompt.owner, prompt.key] = prompt.id

    def forget(self, prompts: list[str], fires: list[str]) -> None:
        for fire in fires:
            del self.fires[fire]
        for prompt in prompts:
            del self.prompts[prompt]
            self.forget_prompt(prompt)
        self.keys = {key: prompt for key, prompt in self.keys.items() if prompt not in prompts}

    # Claim

    def claim(self, item: ClaimItem, turn_of: Callable[[str], int], now: int) -> str:
        """`turn_of` a fire is what the store says, which `check_turn` judges."""
        known = self.prompts[item["id"]]
        if self.is_halted:
            return "halted"
        if item["trigger"] == "manual":
            if known.read.version != known.version or known.status in ("cancelled", "pending_approval"):
                return "lost"
        elif not known.was_read_as_it_is or not known.is_armed:
            return "lost"
        skip, place = item["skip"], None
        if item["trigger"] == "schedule" and not skip and item["overlap"] != "allow":
            skip, place = self._judge_overlap(item, known, now)
            if skip in ("early", "lost"):
                return skip
        fire = fire_of(item, known)
        if skip:
            self.fires[fire.id] = fire
            self.end(fire, "missed" if skip == "late" else "skipped", skip, now)
        else:
            fire.turn = turn_of(fire.id)
            self._check_turn(fire, place)
            self.fires[fire.id] = fire
        if item["trigger"] == "schedule":
            self._move_on(item, known, now)
        return "claimed"

    def _judge_overlap(self, item: ClaimItem, known: ModelPrompt, now: int) -> tuple[str, int | None]:
        """Why it is not to run, and where it stands instead of those that it replaces."""
        live = self.live(known.read.id)
        waits = [fire for fire in live if fire.status == "queued"]
        runs = [fire for fire in live if fire.status == "running"]
        may_wait = item["queue_limit"] if item["overlap"] == "queue" else 0
        if len(waits) + len(runs) > may_wait:
            if int(item["due"]) > now:
                return "early", None
            if item["overlap"] != "replace":
                return "busy", None
        retried = [fire for fire in live if fire.status == "retrying"]
        for fire in retried:
            if not (fire.is_manual and fire.turns):  # that one has not failed
                self.end(fire, "failed", "superseded", now)
        if retried and known.status != item["status"]:
            return "lost", None
        if item["overlap"] != "replace":
            return "", None
        place = min((fire.turn for fire in waits), default=None)
        self.stop_all(waits, "replaced", now)
        self.stop_all(runs, "replaced", now)
        return "", place

    def _check_turn(self, fire: ModelFire, place: int | None) -> None:
        """Who has nothing waiting stands where it is due; who has, not further back than a minute behind all."""
        peers = [other for other in self.fires.values() if other.priority == fire.priority]
        waits = [other for other in peers if other.owner == fire.owner and other.status == "queued"]
        if place is not None:
            assert fire.turn == place
        elif fire.owner is None or not waits:
            assert fire.turn == fire.due
        else:
            assert fire.due <= fire.turn <= max(fire.due, *(other.turn + 60_000 for other in peers))

    def _move_on(self, item: ClaimItem, known: ModelPrompt, now: int) -> None:
        nominal = int(item["nominal"])
        known.seq += 1
        known.last = nominal
        known.next_at = int(item["next_at"]) if item["next_at"] else None
        known.skips = {skip for skip in known.skips if skip > nominal and known.next_at is not None}
        if known.next_at is None:
            known.status, known.ended_at = "executed", max(now, int(item["due"]))

    # Take

    def take(
        self, limit: int, serves: Serves, limits: Limits, budgets: Budgets, expiry: int, now: int
    ) -> list[ModelFire]:
        """The best, as many as still fit at a time; those that may not run make room for who stands behind them."""
        taken: list[ModelFire] = []
        looked = 0
        while not self.is_halted and looked < LOOKED_AT and (heads := self.ready(serves)[: limit - len(taken)]):
            looked += len(heads)
            for fire in heads:
                if fire.status == "queued" and self._may_run(fire, limits, budgets, now):
                    fire.expiry = expiry
                    taken.append(fire)
        return taken

    def _may_run(self, fire: ModelFire, limits: Limits, budgets: Budgets, now: int) -> bool:
        """It runs, or it is parked, or it has ended."""
        under, was_woken = limits_of(fire, limits), fire.woken
        if fire.is_too_late(now):
            self.end(fire, "missed", "late", now)
            under = []
        elif (full := self.full_limit(fire, under)) is not None:
            self.park(fire, full)
        elif turns := self.may_begin_at(fire, limits, now):
            if fire.has_not_begun and not fire.turns and fire.recurs:
                self.end(fire, "skipped", "rate_limit", now)
            else:
                self.wait_for_turn(fire, turns)
        elif self.reserve(fire, budgets, now) is not None:
            self.end(fire, "failed" if fire.has_tried else "skipped", "budget", now)
        else:
            fire.status = "running"
        fire.woken = None
        runs = fire.status == "running"
        if was_woken is not None and was_woken != fire.parked:
            wants = was_woken.startswith("prompt:") or was_woken in dict(under)
            if not runs or not wants:
                self.wake(was_woken)
        if runs:
            fire.attempt += 1
            fire.started = False
            self.hold(fire, under)
            self.count_attempt(fire, limits, now)
        return runs
