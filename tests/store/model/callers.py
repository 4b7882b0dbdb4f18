"""What somebody asks for: prompts are made, edited, paused, approved, cancelled, by what was read last."""

from __future__ import annotations

from typing import Any, Literal

from hypothesis import strategies as st

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Once
from scheduled_prompts.store.records import Cancelled, EditItem, Refused
from tests.store.model.acts import act
from tests.store.model.records import ENDED, ModelFire, ModelPrompt
from tests.store.model.steps import Steps, any_number, has_fires, has_prompts, has_woken
from tests.store.steps import HOUR, edit_of, new_prompt

PLATFORMS, RUNNERS = ("chat", "mail"), ("echo", "log")
MOST_PROMPTS = 8

definitions = st.fixed_dictionaries(
    {
        "once": st.sampled_from([False, False, True]),
        "key": st.sampled_from(["a", "b", None, None]),
        "platform": st.sampled_from(PLATFORMS),
        "runner": st.sampled_from(RUNNERS),
        "owner": st.sampled_from([None, "ann", "ann", "bob"]),
        "agent": st.sampled_from([None, "bot"]),
        "conversation": st.sampled_from([None, "chat"]),
        "priority": st.sampled_from([0, 50, 100]),
        "overlap": st.sampled_from(["allow", "skip", "queue", "queue", "replace"]),
        "concurrency_key": st.sampled_from([None, None, "gpu"]),
        "concurrency": st.sampled_from([1, 2]),
        "max_cost": st.sampled_from([None, None, "0.30", "0.50"]),
        "budget_total": st.sampled_from([None, None, None, "1.20"]),
        "on_crash": st.sampled_from(["rerun", "interrupt"]),
        "pause_after": st.sampled_from([0, 1, 1, 2]),
        "ahead": st.sampled_from([-HOUR, 0, 0, 30_000, HOUR]),
        "asks": st.sampled_from([False, False, False, True]),
    }
)


class CallerActs(Steps):
    @act(weight=2, about="making", when=lambda self: len(self.model.prompts) < MOST_PROMPTS, definition=definitions)
    def save(self, definition: dict[str, Any]) -> None:
        now, fields = self.now(), dict(definition)
        key, ahead, asks, once = (fields.pop(name) for name in ("key", "ahead", "asks", "once"))
        if asks:
            waits = {"pending_since": now, "pending_until": now + HOUR, "pending_why": "so"}
            fields.update(waits, status="pending_approval")

        async def step() -> None:
            prompt = new_prompt(self.store, once=once, key=key, next_at=now + ahead, **fields)
            holder = self.model.holder(prompt)
            assert await self.store.create(prompt) == holder
            if holder is None:
                made = ModelPrompt(prompt, prompt.status, text=prompt.text, next_at=prompt.next_at, until=now + HOUR)
                self.model.prompts[prompt.id] = made
                self.model.take_key(prompt)

        self.run(step())

    @act(when=has_prompts, pick=any_number)
    def read_again(self, pick: int) -> None:
        self.read(self.some_prompt(pick))

    def read(self, known: ModelPrompt) -> None:
        [found] = self.run(self.store.read_prompts([known.read.id]))
        assert isinstance(found, ScheduledPrompt)
        known.read = found

    # Edits

    @act(
        weight=2,
        about="editing approval",
        when=has_prompts,
        pick=any_number,
        text=st.sampled_from("abc"),
        platform=st.sampled_from(PLATFORMS),
        agent=st.sampled_from([None, "bot"]),
        conversation=st.sampled_from(["chat", "room"]),
        asks=st.booleans(),
    )
    def edit_text(self, pick: int, text: str, asks: bool, **others: str | None) -> None:
        self._edit_text(self.some_prompt(pick), text, asks, **others)

    def _edit_text(self, known: ModelPrompt, text: str, asks: bool, **others: str | None) -> None:
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
        self.model.take_back(known, "pending_approval", self.now(), only_ahead=False)

    @act(
        weight=2,
        about="editing approval",
        when=has_prompts,
        pick=any_number,
        text=st.sampled_from("abc"),
        ahead=st.sampled_from([1, 1_000, HOUR, 3 * HOUR]),
        asks=st.sampled_from([False, False, True]),
    )
    def edit_schedule(self, pick: int, text: str, ahead: int, asks: bool) -> None:
        known = self.some_prompt(pick)
        now = self.now()
        item = edit_of(known.read, text=text, next_at=now + ahead)
        answer = self.run(self.store.edit(self._asking(item, asks)))
        holder = self.model.holder(known.read)
        if known.status == "cancelled" or known.read.version != known.version:
            assert answer == known.refused
        elif known.last is not None and now + ahead <= known.last:
            assert answer == "moved"
        elif holder not in (None, known.read.id):
            assert answer == holder
        else:
            known.version += 1
            assert answer == known.version
            known.seq += 1
            known.text, known.next_at, known.ended_at = text, now + ahead, None
            known.failures = 0 if known.status == "quarantined" else known.failures
            known.skips.clear()
            self.model.take_key(known.read)
            if asks and known.status != "pending_approval":
                self._wait(known)
                return
            known.status = known.status if known.status in ("paused", "pending_approval") else item["status"]
            self.model.take_back(known, "edited", now, only_ahead=True)

    # Pauses and approval

    @act(weight=2, about="pausing", when=has_prompts, pick=any_number, with_version=st.booleans())
    def pause(self, pick: int, with_version: bool) -> None:
        known = self.some_prompt(pick)
        version = known.read.version if with_version else None
        answer = self.run(self.store.pause(known.read.id, version=version, reason="requested"))
        if not known.is_armed or version not in (None, known.version):
            assert answer == known.refused
        else:
            assert answer == self.model.pause(known, self.now())

    @act(weight=2, about="pausing", when=has_prompts, pick=any_number, ahead=st.sampled_from([0, 1_000, HOUR]))
    def resume(self, pick: int, ahead: int) -> None:
        known = self.some_prompt(pick)
        following, status = self.now() + ahead, armed_status(known)
        answer = self.run(self.store.resume(known.read, status, following, following))
        fresh = (known.read.version, known.read.seq) == (known.version, known.seq)
        if known.status != "paused" or not fresh or (known.last is not None and following <= known.last):
            assert answer == known.refused
        else:
            assert answer is None
            self._goes_on(known, status, following)

    @act(weight=2, about="approval", when=has_prompts, pick=any_number, ahead=st.sampled_from([0, 1_000, HOUR]))
    def approve(self, pick: int, ahead: int) -> None:
        self._approve(self.some_undecided(pick), ahead)

    def _approve(self, known: ModelPrompt, ahead: int) -> None:
        following, status = self.now() + ahead, armed_status(known)
        answer = self.run(self.store.approve(known.read, status, following, following))
        if known.status != "pending_approval" or known.read.version != known.version:
            assert answer == known.refused
        elif known.until <= self.now():
            assert answer == Refused("late")
        elif known.read.seq != known.seq or (known.last is not None and following <= known.last):
            assert answer == known.refused
        else:
            assert answer is None
            self._goes_on(known, status, following)

    def _goes_on(self, known: ModelPrompt, status: str, following: int) -> None:
        known.moves(status)
        known.next_at, known.failures = following, 0
        known.skips = {skip for skip in known.read.skips if skip >= following}

    @act(weight=2, about="approval", when=has_prompts, pick=any_number, with_version=st.booleans())
    def reject(self, pick: int, with_version: bool) -> None:
        known = self.some_undecided(pick)
        version = known.read.version if with_version else None
        answer = self.run(self.store.reject(known.read.id, version=version))
        if known.status != "pending_approval" or version not in (None, known.version):
            assert answer == known.refused
        else:
            assert answer == self.model.cancel(known, self.now())

    @act(weight=2, about="approval")
    def expire(self) -> None:
        now = self.now()
        late = [p for p in self.model.prompts.values() if p.status == "pending_approval" and p.until <= now]
        late.sort(key=lambda known: (known.until, known.read.id))
        assert self.run(self.store.expire_approvals()) == [known.read.id for known in late]
        for known in late:
            self.model.cancel(known, now)

    # What is not to run

    @act(
        weight=2,
        about="skipping",
        when=has_prompts,
        pick=any_number,
        mode=st.sampled_from(["skip", "unskip"]),
        later=st.integers(-1, 2),
    )
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
                assert answer == ("taken_back" if self.model.stop(fire, "requested", self.now()) else before)
        elif (known.is_armed or known.status == "paused") and known.read.version == known.version:
            assert answer == "done"
            known.version += 1
            known.skips = {skip for skip in wanted if known.last is None or skip > known.last}
        else:
            assert answer == known.refused

    @act(weight=2, about="cancelling", when=has_fires, pick=any_number)
    def cancel_fire(self, pick: int) -> None:
        self._cancel_fire(self.some_fire(pick))

    @act(weight=3, about="cancelling settings", when=has_woken, pick=any_number)
    def cancel_woken(self, pick: int) -> None:
        """The slot that it was woken for is the next one's."""
        woken = self.woken()
        self._cancel_fire(woken[pick % len(woken)])

    def _cancel_fire(self, fire: ModelFire) -> None:
        before = fire.status
        answer = self.run(self.store.cancel_fire(fire.id))
        assert answer == (self.model.stop(fire, "fire_cancelled", self.now()) or Refused(before))

    @act(weight=2, about="cancelling", when=has_prompts, pick=any_number)
    def cancel(self, pick: int) -> None:
        known = self.some_prompt(pick)
        answer = self.run(self.store.cancel(known.read.id))
        if known.status == "cancelled" or (known.status == "executed" and not self.model.live(known.read.id)):
            assert answer == Refused(known.status)
            return
        before = known.status
        assert answer == Cancelled(before, *self.model.cancel(known, self.now()))

    @act(weight=2, about="repairs", when=has_prompts, pick=any_number)
    def quarantine(self, pick: int) -> None:
        known = self.some_prompt(pick)
        expected = known.was_read_as_it_is and known.status not in {*ENDED, "quarantined"}
        assert self.run(self.store.quarantine(known.read, "broken")) == expected
        if expected:
            known.status = "quarantined"


def armed_status(known: ModelPrompt) -> str:
    return "scheduled" if isinstance(known.read.schedule, Once) else "active"
