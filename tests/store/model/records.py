"""A prompt and a fire, as far as the model knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduled_prompts.money import to_micro
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Once
from scheduled_prompts.store.records import ClaimItem, Refused

ENDED = {"executed", "cancelled"}
LIVE = {"queued", "running", "retrying"}
TAKEN_BACK = {"paused", "edited", "requested", "pending_approval"}
"""Why a fire is to stop that goes on where it has started, and else was skipped; for other reasons it is cancelled."""


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

    def moves(self, status: str) -> None:
        self.status = status
        self.version += 1
        self.seq += 1


@dataclass
class ModelFire:
    id: str
    prompt: str
    due: int
    turn: int
    """By what it stands within its priority: when it is due, or later where its owner has others that wait."""
    priority: int
    platform: str
    runner: str
    owner: str | None
    conversation: str | None
    agent: str | None
    recurs: bool
    text: str
    interrupts: bool
    deadline: int | None
    one_after_the_other: bool
    key: str | None
    at_once: int
    """How many fires with its key may run at once."""
    max_cost: int | None
    budget_day: int | None
    budget_total: int | None

    status: str = "queued"
    reason: str = ""
    attempt: int = 0
    crashes: int = 0
    failures: int = 0
    token: str | None = None
    expiry: int = 0
    started: bool = False
    cancel: str = ""
    """Why it was asked to stop."""
    retry_at: int = 0

    parked: str | None = None
    """The limit that it waits for."""
    woken: str | None = None
    """The limit whose free slot it is to have, until it is taken."""
    slots: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    """The rate limits at which it waits for its turn, or did until it is taken."""

    reserved: int | None = None
    day: str = ""
    cost: int = 0
    assumed: int = 0
    """What attempts cost of which nobody knows what they cost."""

    @property
    def is_manual(self) -> bool:
        return "+" in self.id

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_taken_back(self) -> bool:
        return self.cancel in TAKEN_BACK

    @property
    def stands(self) -> tuple[int, int, str]:
        return (-self.priority, self.turn, self.id)

    @property
    def has_tried(self) -> bool:
        return bool(self.failures or self.crashes or self.started)

    @property
    def attempt_id(self) -> str:
        return f"{self.id}#{self.attempt}"

    @property
    def has_not_begun(self) -> bool:
        if self.attempt == 0 or self.reason == "given_back":
            return True
        return bool(self.turns) and not self.has_tried

    def is_too_late(self, now: int) -> bool:
        return self.has_not_begun and self.deadline is not None and now > self.deadline


def fire_of(item: ClaimItem, prompt: ModelPrompt) -> ModelFire:
    read = prompt.read
    return ModelFire(
        item["fire"],
        read.id,
        due=int(item["due"]),
        turn=int(item["due"]),
        priority=read.priority_of(item["trigger"]),
        platform=read.platform,
        runner=read.runner,
        owner=read.owner,
        conversation=read.conversation,
        agent=read.agent,
        recurs=item["trigger"] == "schedule" and not isinstance(read.schedule, Once),
        text=prompt.text,
        interrupts=read.on_crash == "interrupt",
        deadline=int(item["deadline"]) if item["deadline"] else None,
        one_after_the_other=item["trigger"] == "schedule" and read.overlap in ("queue", "replace"),
        key=read.concurrency_key,
        at_once=read.concurrency,
        max_cost=None if read.max_cost is None else to_micro(read.max_cost),
        budget_day=None if read.budget_day is None else to_micro(read.budget_day),
        budget_total=None if read.budget_total is None else to_micro(read.budget_total),
    )
