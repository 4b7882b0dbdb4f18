"""From a due prompt to a queued fire: read, decide, claim. Timers, watch and sweep all come here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.due import claim_of
from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.engine.timers import LONGEST_LEAD_MS, Timers
from scheduled_prompts.engine.wanted import Wanted
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.halting import HALTED
from scheduled_prompts.store.records import ClaimItem, ReadPrompt, Serves, Unreadable

log = structlog.get_logger()

BATCH = 500
BROKEN = "broken: "
HINDERED = "hindered: "
WAITS = "waits"
EARLY = "early"
DEEP = "deep"
REPAIR = "this key is of the wrong type: `doctor --repair` mends that"
DEEP_PAUSE_MS = 30_000
DEEP_BATCH = 100
LEFT_BEHIND_MS = 1_000
PASS_OVER_MS = 10_000
PASSED_OVER = 10_000


class Claimer:
    """Claims what it is given, in batches.

    The due index is the backlog: while the ready queue is deep (`room` says how many more fires it may get), nothing is
    claimed, so that what waits is still subject to edits, and to other daemons. What is very late is claimed at a pace.
    Where there is no room, only owners who have nothing waiting get more: theirs does not stand behind all that others
    have due.
    """

    def __init__(
        self,
        store: Store,
        timers: Timers,
        membership: Membership,
        serves: Serves,
        *,
        room: Callable[[], int | None],
        claimed: Callable[[int], None],
        horizon_ms: int,
        late_spread: float,
    ) -> None:
        self._store = store
        self._clock: Clock = store.clock
        self._timers = timers
        self._membership = membership
        self._serves = serves
        self._room = room
        self._claimed = claimed
        self._horizon_ms = horizon_ms
        self._wanted = Wanted(late_spread)
        self._goes_on: asyncio.TimerHandle | None = None
        """Rings when more may be claimed of what is very late."""
        self._passed_over: dict[str, int] = {}
        self._passed_over_most = PASSED_OVER
        self._in_progress: set[str] = set()
        self._again: dict[str, int] = {}
        self._in_turn: dict[str, int] = {}
        """Prompts, and when they were due, of which an occurrence waits for the end of the one before it."""
        self._known_unserved: set[tuple[str, str]] = set()
        self._deep: dict[str, int] = {}
        """Wanted, and of owners who had something waiting: not asked again before then, unless there is room."""
        self._wake = asyncio.Event()
        self.won = 0
        self.lost = 0
        """Claims that somebody else had made already: the price of having no leader."""

    def want(self, prompt_id: str, due: int) -> None:
        """Claim it soon. Not before a prompt that cannot be claimed here was left alone for a while."""
        if self._passed_over.get(prompt_id, 0) > self._clock.now():
            return
        if prompt_id in self._in_progress:
            self._again[prompt_id] = due  # it may have changed since it was read
            return
        self._wanted.add(prompt_id, due, self._clock.now())
        self._wake.set()

    def forget(self, prompt_id: str) -> None:
        """It was cancelled."""
        self._wanted.discard(prompt_id)

    def reconsider(self, prompt_id: str) -> None:
        """It was changed: what was passed over may be claimed now."""
        self._passed_over.pop(prompt_id, None)
        self._in_turn.pop(prompt_id, None)

    def fire_ended(self, prompt_id: str) -> None:
        """A fire of it ended here: what waited for that is claimed now. What ended elsewhere is announced."""
        if prompt_id in self._in_progress:
            self._again[prompt_id] = self._clock.now()  # its claim may have come before that end
        elif (due := self._in_turn.get(prompt_id)) is not None:
            self.reconsider(prompt_id)
            self.want(prompt_id, due)

    @property
    def busy(self) -> bool:
        return bool(self._in_progress) or (bool(self._wanted) and (self._room() or 0) > 0)

    def room_was_made(self) -> None:
        if self._wanted:
            self._wake.set()

    async def run(self) -> None:
        """Claim what is wanted, for ever. Raises what the store raises; what is wanted stays wanted.

        Several may run at once: while one waits for the store, another reads and decides.
        """
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._claim_some():
                pass

    async def _claim_some(self) -> int:
        """Claim one batch of what is wanted. Returns how many were looked at."""
        batch, deep = self._next_batch(), False
        if not batch:
            batch, deep = self._left_behind(), True
        if not batch:
            return 0
        self._in_progress.update(batch)
        try:
            prompts = await self._store.read_prompts(list(batch))
            await self._claim(dict(zip(batch, prompts, strict=True)), deep=deep)
        except BaseException:
            self._wanted.put_back(batch)
            raise
        finally:
            self._in_progress.difference_update(batch)
            self._wanted.done(batch)
            for prompt_id in self._again.keys() & batch.keys():
                self._wanted.add(prompt_id, self._again.pop(prompt_id), self._clock.now())
        return len(batch)

    def _next_batch(self) -> dict[str, int]:
        """What is due first of what is wanted, as far as there is room for it; it is wanted no longer."""
        room = min((self._room() or 0) - len(self._in_progress), BATCH)
        if room <= 0:
            return {}
        batch = self._wanted.take_out(room, self._clock.now())
        if self._wanted.goes_on_at is not None:
            if self._goes_on is not None:
                self._goes_on.cancel()
            self._goes_on = self._clock.call_at(self._wanted.goes_on_at, self._wake.set)
        return batch

    def _left_behind(self) -> dict[str, int]:
        """What is overdue, where there is no room."""
        now = self._clock.now()
        room = self._room()
        if room is None or room > 0 or not self._wanted:
            return {}
        self._deep = {prompt_id: until for prompt_id, until in self._deep.items() if until > now}
        return self._wanted.take_out_overdue(DEEP_BATCH, now - LEFT_BEHIND_MS, but=self._deep)

    async def _claim(self, prompts: Mapping[str, ReadPrompt], *, deep: bool) -> None:
        now = self._clock.now()
        decided = {prompt_id: await self._decide(prompt_id, prompt, now) for prompt_id, prompt in prompts.items()}
        items = [item for item in decided.values() if item is not None]
        for item in items:
            item["deep"] = deep
        if not items:
            return
        answers = await self._store.claim(items)
        won = 0
        for item, answer in zip(items, answers, strict=True):
            if answer == "claimed":
                won += 1
                self._in_turn.pop(item["id"], None)
                if not item["skip"]:
                    self._wanted.fires(item["id"])
                if not item["announce"]:
                    self._arm_next(item["id"], item["next_at"])
            elif answer == WAITS:
                self._in_turn[item["id"]] = int(item["due"])
                if item["id"] not in self._again:  # what it waits for may have ended meanwhile
                    self._pass_over(item["id"], now)
            elif answer == DEEP:
                self._deep[item["id"]] = now + DEEP_PAUSE_MS
                self._again.setdefault(item["id"], int(item["due"]))
            elif answer == EARLY:
                self._timers.arm(item["id"], int(item["due"]), ahead=False)
            elif answer.startswith(BROKEN):
                prompt = prompts[item["id"]]
                assert isinstance(prompt, ScheduledPrompt)
                await self._set_aside(prompt, answer.removeprefix(BROKEN), now)
            elif answer.startswith(HINDERED):
                self._pass_over(item["id"], now)
                log.error("claim_hindered", prompt=item["id"], key=answer.removeprefix(HINDERED), hint=REPAIR)
            elif answer != HALTED:  # what is halted stays due, and is looked at again when all goes on
                self.lost += 1
        self.won += won
        if won:
            self._claimed(won)

    async def _decide(self, prompt_id: str, prompt: ReadPrompt, now: int) -> ClaimItem | None:
        if prompt is None:
            self._pass_over(prompt_id, now)
            return None
        if isinstance(prompt, Unreadable):
            if prompt.newer:  # nothing is wrong with it: a newer daemon fires it
                self._pass_over(prompt_id, now)
            else:
                await self._set_aside(prompt, prompt.error, now)
            return None
        if not self._serves.includes(prompt.platform, prompt.runner):
            self._say_if_unserved(prompt)
            self._pass_over(prompt_id, now)
            return None
        try:
            item = claim_of(prompt, now, now + LONGEST_LEAD_MS)
        except Exception as error:  # one prompt that cannot be computed stops no other
            await self._set_aside(prompt, f"what is next cannot be computed: {type(error).__name__}: {error}", now)
            return None
        if item is None:
            if prompt.next_at is not None and prompt.status.is_armed:
                self._arm_next(prompt_id, str(prompt.next_at))  # it was moved to later
            else:
                self._pass_over(prompt_id, now)
            return None
        item["announce"] = self._membership.rank(prompt_id, prompt.platform) > 0
        return item

    async def _set_aside(self, prompt: ScheduledPrompt | Unreadable, error: str, now: int) -> None:
        """A broken record leaves the due index, with its error, until somebody repairs or cancels it."""
        self._pass_over(prompt.id, now)
        if await self._store.quarantine(prompt, error):
            log.error("prompt_quarantined", prompt=prompt.id, error=error, hint="`doctor` tells more; `edit` repairs")

    def _say_if_unserved(self, prompt: ScheduledPrompt) -> None:
        """Once for each runner and platform: what is due stays due."""
        pair = (prompt.platform, prompt.runner)
        if pair in self._known_unserved or self._membership.somebody_serves(*pair):
            return
        self._known_unserved.add(pair)
        log.warning(
            "due_but_not_served",
            prompt=prompt.id,
            runner=prompt.runner,
            platform=prompt.platform,
            hint="no running daemon has this runner on this platform; what is due stays due",
        )

    def _pass_over(self, prompt_id: str, now: int) -> None:
        if len(self._passed_over) >= self._passed_over_most:
            self._passed_over = {i: until for i, until in self._passed_over.items() if until > now}
            self._passed_over_most = max(PASSED_OVER, 2 * len(self._passed_over))
        self._passed_over[prompt_id] = now + PASS_OVER_MS

    def _arm_next(self, prompt_id: str, next_at: str) -> None:
        if next_at and int(next_at) <= self._clock.now() + self._horizon_ms:
            self._timers.arm(prompt_id, int(next_at))
