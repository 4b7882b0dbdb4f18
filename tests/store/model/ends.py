"""How a fire ends, or is asked to stop, and what follows from that for its prompt and for those that wait."""

from __future__ import annotations

from scheduled_prompts.money import Usage
from tests.store.model.money import Money
from tests.store.model.rates import Rates
from tests.store.model.records import TAKEN_BACK, ModelFire, ModelPrompt
from tests.store.model.waiting import Waiting
from tests.store.steps import MAX_CRASHES


class Ends(Waiting, Money, Rates):
    prompts: dict[str, ModelPrompt]

    def end(self, fire: ModelFire, status: str, reason: str, now: int) -> None:
        fire.status, fire.reason = status, reason
        self.give_up_turns(fire)
        known = self.prompts.get(fire.prompt)
        if known is None or status not in ("succeeded", "failed", "timed_out"):
            return
        known.failures = 0 if status == "succeeded" else known.failures + 1
        if known.status == "active" and 0 < known.read.pause_after <= known.failures:
            self.pause(known, now)

    def end_as_asked(self, fire: ModelFire, why: str, now: int) -> None:
        self.end(fire, "skipped" if why in TAKEN_BACK else "cancelled", why, now)

    def stop(self, fire: ModelFire, why: str, now: int) -> str | None:
        """Ask it to stop: `ended` where it waited, `asked` where it runs."""
        if fire.status == "running":
            is_said = fire.cancel and (why in TAKEN_BACK or (why == "replaced" and fire.cancel not in TAKEN_BACK))
            fire.cancel = fire.cancel if is_said else why
            return "asked"
        if fire.status == "queued":
            self.leave_queue(fire)
        elif fire.status != "retrying":
            return None
        if why == "replaced":
            self.end(fire, "skipped", why, now)
        else:
            self.end_as_asked(fire, why, now)
        return "ended"

    def stop_all(self, fires: list[ModelFire], why: str, now: int) -> tuple[int, int]:
        """How many ended, and how many were asked to."""
        how = [self.stop(fire, why, now) for fire in fires]
        return how.count("ended"), how.count("asked")

    def take_back(self, known: ModelPrompt, why: str, now: int, *, only_ahead: bool) -> int:
        """What is not due yet, and, unless `only_ahead`, what waits."""
        back = [
            fire
            for fire in self.live(known.read.id)
            if not fire.is_manual and (fire.due > now or (not only_ahead and fire.status != "running"))
        ]
        return sum(self.stop_all(back, why, now))

    def pause(self, known: ModelPrompt, now: int) -> int:
        known.moves("paused")
        return self.take_back(known, "paused", now, only_ahead=False)

    def cancel(self, known: ModelPrompt, now: int) -> tuple[int, int]:
        known.moves("cancelled")
        known.next_at, known.ended_at = None, now
        known.skips.clear()
        return self.stop_all(self.live(known.read.id), "prompt_cancelled", now)

    def rests(self, fire: ModelFire) -> str | None:
        """Why there is no next attempt: its prompt was paused meanwhile, or waits for approval."""
        known = self.prompts.get(fire.prompt)
        status = None if known is None or fire.is_manual else known.status
        return status if status in ("paused", "pending_approval") else None

    def _release(self, fire: ModelFire, usage: Usage | None, today: str, *, began: bool) -> None:
        """It leaves `running`, for whatever follows."""
        self.reconcile(fire, usage, began=began, today=today)
        self.free(fire)

    def settle(
        self, fire: ModelFire, outcome: str, reason: str, retry_at: int, usage: Usage | None, now: int, today: str
    ) -> None:
        """What was given back had not begun."""
        began = reason != "given_back"
        self._release(fire, usage, today, began=began)
        if fire.is_taken_back and outcome != "cancelled" and began:
            fire.cancel = ""
        if outcome in ("retrying", "queued"):
            fire.started = began
            self._put_aside(fire, outcome, reason, retry_at, now)
            return
        fire.failures += outcome in ("failed", "timed_out")
        if outcome == "cancelled" and fire.cancel:
            self.end_as_asked(fire, fire.cancel, now)
        else:
            self.end(fire, outcome, reason, now)

    def _put_aside(self, fire: ModelFire, outcome: str, reason: str, retry_at: int, now: int) -> None:
        if reason == "given_back" and fire.cancel == "halted":
            fire.cancel = ""
        rests = self.rests(fire)
        fire.failures += outcome == "retrying" and not fire.cancel
        if fire.cancel:
            self.end_as_asked(fire, fire.cancel, now)
        elif rests and outcome == "retrying":
            self.end(fire, "failed", rests, now)
        elif rests:
            self.end(fire, "interrupted" if fire.started else "skipped", rests, now)
        else:
            fire.status, fire.reason = outcome, reason
            fire.retry_at = retry_at
            if reason == "given_back":
                self.uncount_attempt(fire)

    def reap(self, now: int) -> dict[str, str]:
        """What becomes of those whose daemon was lost."""
        became = {}
        lost = [fire for fire in self.fires.values() if fire.status == "running" and fire.expiry <= now]
        for fire in sorted(lost, key=lambda fire: (fire.expiry, fire.id)):
            fire.crashes += 1
            fire.token = None
            self._release(fire, None, "", began=True)
            if fire.is_taken_back and fire.started:
                fire.cancel = ""
            rests = self.rests(fire)
            if fire.cancel:
                self.end_as_asked(fire, fire.cancel, now)
            elif fire.interrupts and fire.started:
                self.end(fire, "interrupted", "crashed", now)
            elif fire.crashes >= MAX_CRASHES:
                self.end(fire, "failed", "crashed", now)
            elif rests:
                self.end(fire, "interrupted" if fire.started else "skipped", rests, now)
            else:
                fire.status, fire.reason = "queued", "crashed"
            became[fire.id] = fire.status
        return became

    def retry(self, now: int) -> dict[str, str]:
        due = [fire for fire in self.fires.values() if fire.status == "retrying" and fire.retry_at <= now]
        for fire in due:
            fire.status = "queued"
        return {fire.id: "retried" for fire in due}
