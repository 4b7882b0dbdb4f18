"""Where a fire waits: ready, or parked at the first limit that it finds full, until one that runs under it ends."""

from __future__ import annotations

from scheduled_prompts.limits import Limits
from scheduled_prompts.store.records import Serves
from tests.store.model.records import ModelFire

KEY = "key:"


class Waiting:
    fires: dict[str, ModelFire]

    def live(self, prompt: str) -> list[ModelFire]:
        mine = [fire for fire in self.fires.values() if fire.prompt == prompt and fire.is_live]
        return sorted(mine, key=lambda fire: fire.id)

    def ready(self, serves: Serves) -> list[ModelFire]:
        waiting = [f for f in self.fires.values() if f.status == "queued" and f.parked is None]
        return sorted((f for f in waiting if serves.includes(f.platform, f.runner)), key=lambda fire: fire.stands)

    def parked_at(self, limit: str) -> list[ModelFire]:
        return sorted((f for f in self.fires.values() if f.parked == limit), key=lambda fire: fire.stands)

    def runs_under(self, limit: str) -> int:
        return sum(limit in fire.slots for fire in self.fires.values())

    def has_another_running(self, prompt: str) -> bool:
        return any(fire.status == "running" for fire in self.live(prompt))

    def full_limit(self, fire: ModelFire, limits: list[tuple[str, int]]) -> str | None:
        if fire.one_after_the_other and self.has_another_running(fire.prompt):
            return "prompt:" + fire.prompt
        return next((name for name, most in limits if self.runs_under(name) >= most), None)

    def park(self, fire: ModelFire, limit: str) -> None:
        fire.parked, fire.woken = limit, None

    def wake(self, limit: str) -> ModelFire | None:
        """The best that is parked there tries again; of those with one key, the first for which there is room."""
        for fire in self.parked_at(limit):
            if not limit.startswith(KEY) or self.runs_under(limit) < fire.at_once:
                fire.parked, fire.woken = None, limit
                return fire
        return None

    def leave_queue(self, fire: ModelFire) -> None:
        """It does not run: the slot that it was woken for is the next one's."""
        limit, fire.parked, fire.woken = fire.woken, None, None
        if limit is not None:
            self.wake(limit)

    def hold(self, fire: ModelFire, limits: list[tuple[str, int]]) -> None:
        for name, most in limits:
            fire.slots = (*fire.slots, name)
            if self.runs_under(name) < most:
                self.wake(name)

    def free(self, fire: ModelFire) -> None:
        freed, fire.slots = fire.slots, ()
        for limit in (*freed, "prompt:" + fire.prompt):
            self.wake(limit)

    def wake_all(self, serves: Serves) -> int:
        """As a sweep does: at each limit the best, and up to the first that this daemon takes."""
        woken = 0
        for limit in {fire.parked for fire in self.fires.values() if fire.parked is not None}:
            if limit.startswith("prompt:") and self.has_another_running(limit.removeprefix("prompt:")):
                continue
            while fire := self.wake(limit):
                woken += 1
                if serves.includes(fire.platform, fire.runner):
                    break
        return woken

    def never_woken(self) -> list[str]:
        """Parked where nobody runs, and nobody was woken, whose end would wake it."""
        return [
            fire.id
            for fire in self.fires.values()
            if fire.parked is not None
            and not any(other.woken == fire.parked for other in self.fires.values())
            and not self.runs_under(fire.parked)
            and not (fire.parked == "prompt:" + fire.prompt and self.has_another_running(fire.prompt))
        ]


def limits_of(fire: ModelFire, limits: Limits) -> list[tuple[str, int]]:
    """Those that a fire runs under, each with how many may."""
    at_once = limits.concurrency
    found = []
    for kind in ("owner", "conversation", "platform", "runner"):
        value = getattr(fire, kind)
        most = None if value is None else getattr(at_once, kind + "s").get(value, getattr(at_once, kind))
        if most is not None:
            found.append((f"{kind}:{value}", most))
    if fire.key is not None:
        found.append((KEY + fire.key, fire.at_once))
    return found
