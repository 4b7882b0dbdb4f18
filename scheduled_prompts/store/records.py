"""What goes into the scripts and what comes out of them, as records."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from pydantic import BaseModel, ConfigDict

from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store.halting import Halt


class ClaimItem(TypedDict):
    """One occurrence (or manual run) to be claimed. Numbers as strings: they go into Lua as they are."""

    id: str
    trigger: Literal["schedule", "manual"]
    version: str
    seq: str
    status: str
    fire: str
    nominal: str
    due: str
    platform: str
    runner: str
    priority: str
    on_crash: str
    owner: str
    agent: str
    conversation: str
    overlap: Literal["skip", "queue", "replace", "allow"]
    """What becomes of it while the one before has not ended; a manual run runs beside whatever runs."""
    queue_limit: int
    concurrency_key: str
    concurrency: int
    deep: bool
    """There is no room: only if its owner has nothing waiting."""
    deadline: str
    """Its first attempt begins by then (ms UTC), or it is missed; '' for however late."""
    money: dict[str, str]
    """Whose money it is, and how much it may be (micro-units): owner, max_cost, budget_day, budget_total."""
    skip: str
    """Why it is not to run; else ''. What is `late` was missed, all else skipped."""
    next_nominal: str
    next_at: str
    next_status: str
    missed_from: str
    missed_until: str
    quiet_from: str
    """From here up to `nominal` quiet hours deferred what was to fire, to when this is due; else ''."""
    skips: str
    max_fires: str
    announce: bool
    in_turn: bool
    """Whether it may be one of those that are caught up with, one at a time."""
    rerun_of: str
    tree: NotRequired[str]
    """The first ancestor of a prompt that was made in a fire."""
    who: NotRequired[dict[str, str]]
    """Who asked for a manual run."""


class EditItem(TypedDict):
    """A new definition for a prompt. `version` is that of the prompt as it was read; `before` what its indexes say."""

    id: str
    version: str
    doc: str
    owner: str
    key: str
    platform: str
    agent: str
    conversation: str
    before: dict[str, str]
    changed: list[str]
    status: str
    next_nominal: str
    next_at: str
    skips: str
    keep: str
    was: str
    created_at: str
    values: str
    approval: NotRequired[dict[str, str]]
    """It is to be approved: `until` (ms UTC) that is waited for, and `why`."""


class SettleItem(TypedDict):
    """The end of one attempt. `outcome` is an end, `retrying`, or `queued` (given back)."""

    fire: str
    token: str
    outcome: str
    reason: str
    started_at: str
    ended_at: str
    result: str
    error: str
    retry_at: str
    usage: NotRequired[dict[str, str]]
    """What its runner said that it used, as `Budgets.counted` has it."""


class Lease(NamedTuple):
    """A fire in a daemon's hands, and the fencing token it is held by."""

    fire: Fire
    token: str


class Unreadable(NamedTuple):
    """A record that cannot be read."""

    id: str
    error: str
    newer: bool
    """Written by a newer release: nothing is wrong with it."""
    status: str = ""
    version: str = ""
    seq: str = ""
    """These three as they are stored, '' where they cannot be read."""


ReadPrompt = ScheduledPrompt | Unreadable | None
"""What reading a prompt comes to; None: it is gone."""


class Taken(NamedTuple):
    token: str
    leases: list[Lease]
    unreadable: list[Unreadable]
    """Fires that were leased and cannot be read."""
    waiting: int
    """How many more are ready in these queues."""


class Overdue(NamedTuple):
    prompt_id: str
    due: int
    platform: str


class Look(NamedTuple):
    """What a daemon sees at a glance. Instants are ms UTC."""

    ready: int
    first_lease: int | None
    first_retry: int | None
    overdue: list[Overdue]
    halt: Halt | None = None
    """All is stopped; then nothing is listed as overdue."""


class Created(NamedTuple):
    """What became of a new prompt: it was `created`; a living one `exists` that has its key; `own`: the prompt in whose
    fire it was to be made, or one that was made in its fires, has the key; `stale`: that prompt changed since it was
    read. `id` is the prompt's that there is."""

    outcome: str
    id: str


class Cancelled(NamedTuple):
    """What ended with a prompt, which was `before` of that status. Of what was made in its fires, and in the fires of
    those: what was cancelled `with_it`, and what of it is still `living`, by id."""

    before: str
    ended: int
    asked_to_stop: int
    with_it: tuple[str, ...] = ()
    living: tuple[str, ...] = ()


class Rejected(NamedTuple):
    """What ended with a prompt that was not approved."""

    ended: int
    asked_to_stop: int


class Refused(NamedTuple):
    """A transition that was not made: where the prompt (or fire) stands instead. `gone` where it does not exist."""

    status: str
    version: str = ""


SpanKind = Literal[
    "created",
    "missed",
    "edited",
    "paused",
    "resumed",
    "pending",
    "approved",
    "rejected",
    "expired",
    "skip",
    "unskip",
    "quarantined",
    "cancelled",
    "retimed",
    "imported",
    "trimmed",
    "refused",
    "made",
]


class Span(NamedTuple):
    """What the account tells beyond fires: what was missed, and each change, `by` whom. Instants are ms UTC.

    `missed`: occurrences from `start` up to, not including, `end` that nobody could fire; `edited`: from `start` on
    another schedule counts, which begins with `end` (None where the schedule stayed); `paused`: what is next, `start`,
    is not to fire; `resumed`: the pause, which lasted `since`, kept those from `start` up to `end` from firing;
    `pending`: an edit is to be approved, for a `reason` (where a pause ended by that, it lasted `since`, and kept those
    from `start` on from firing); `approved`: the wait, which lasted `since`, kept those from `start` up to `end` from
    firing; `rejected`, `expired`: the prompt was cancelled by that, as with `cancelled`; `skip`
    and `unskip`: the occurrence `start` is not to fire, or is after all; `quarantined`: the record was set aside, for a
    `reason`; `cancelled`: what was next, `start`, was not to come any more; `retimed`: the zone's rules changed, and
    `end` is next instead of `start`; `imported`: what was to come before `end` is told where it came from, or, from
    `start` on, passed meanwhile; `trimmed`: in place of the oldest entries, that many, made from `since` until `at`.
    That a prompt was `created` is told by the prompt. Two are told once for each fire that did it, with how often
    (`times`) and when `last`: `refused`, in which an agent wanted to do something (`deed`) that it may not, and why
    (`note`, the last time); `made`, in which it made `prompts` (the latest of them).
    """

    kind: SpanKind
    at: int
    start: int | None = None
    end: int | None = None
    since: int | None = None
    reason: str | None = None
    note: str | None = None
    changed: tuple[str, ...] = ()
    stood: str | None = None
    """The status that a change found; of a pause an edit or a cancellation tells `since`, `reason` and `note`, too."""
    was: str | None = None
    """What the occurrences before an edit followed from: JSON, as `Definition` reads it, without the text."""
    by: str | None = None
    """Who made the change: `api`, `cli:<user>`, `daemon:<id>`, or as a program calls itself."""
    values: Mapping[str, tuple[Any, Any]] = MappingProxyType({})
    """The fields that an edit changed, from what to what, as JSON has them. Long texts are cut."""
    trimmed: int = 0
    fire: str | None = None
    """The fire in which an agent made the change."""
    deed: str | None = None
    times: int = 1
    last: int | None = None
    prompts: tuple[str, ...] = ()


class Quarantined(NamedTuple):
    """A record that was set aside: why, when (ms UTC), and which status it had."""

    id: str
    error: str
    at: int
    was: str


class Purged(NamedTuple):
    prompts: int
    fires: int
    undated: list[str]
    orphans: int = 0
    """Fires, keys and entries of prompts that were gone."""


ALL = "*"


class Serves(NamedTuple):
    """Which fires a daemon takes: those of these platforms and runners (`*` for all)."""

    platforms: tuple[str, ...]
    runners: tuple[str, ...]

    def includes(self, platform: str, runner: str) -> bool:
        return self.has_platform(platform) and (ALL in self.runners or runner in self.runners)

    def has_platform(self, platform: str) -> bool:
        return ALL in self.platforms or platform in self.platforms


EVERYTHING = Serves((ALL,), (ALL,))


class DaemonInfo(BaseModel):
    """What a daemon says of itself with each heartbeat."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    host: str
    pid: int
    version: str
    platforms: tuple[str, ...]
    """`*` where it serves all."""
    runners: tuple[str, ...]
    slots: int
    running: int = 0
    started_at: int

    @property
    def serves(self) -> Serves:
        return Serves(self.platforms, self.runners)
