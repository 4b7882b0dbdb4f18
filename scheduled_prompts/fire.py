"""The fire: what became of one occurrence, or of one manual run.

Runners are handed a `Fire` and answer with a `Result`; both are all that a runner needs to know of this package.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from scheduled_prompts.fencing import fenced, scheduled_by
from scheduled_prompts.inside import Inside, InsideTools
from scheduled_prompts.money import Usage, from_micro
from scheduled_prompts.prompt import Definition
from scheduled_prompts.stored import count, instant

MAX_RESULT_BYTES = 64 * 1024
MAX_ERROR_CHARACTERS = 4_000
CUT_MARK = "\n[… cut]"


class FireStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"
    MISSED = "missed"

    @property
    def has_ended(self) -> bool:
        return self not in (FireStatus.QUEUED, FireStatus.RUNNING, FireStatus.RETRYING)


class Result(BaseModel):
    """What a runner has to say.

    `silent`: a success that nobody needs to be told of. `yielded`: the work goes on elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = None
    silent: bool = False
    yielded: bool = False
    truncated: bool = False
    """The text was cut to 64 KiB; it ends with a mark that says so."""
    usage: Usage | None = None
    """What this attempt used."""


class Fire(BaseModel):
    """One fire. `id` is the idempotency key to hand on. Instants are ms UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    prompt_id: str
    prompt: Definition | None = None
    """The definition that this fire runs, in the version it was claimed with; None where only the account is read."""
    version: int
    trigger: Literal["schedule", "manual"] = "schedule"
    status: FireStatus
    reason: str | None = None
    attempt: int = 0
    """How often it was taken; rises each time, whatever the reason."""
    crashes: int = 0
    failures: int = 0
    nominal: int
    due: int
    queued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    retry_at: int | None = None
    """When the next attempt is due, while it waits for one."""
    daemon: str | None = None
    runner: str
    platform: str
    priority: int = 50
    cancel_requested: bool = False
    rerun_of: str | None = None
    """The fire that this one was asked for to repeat."""
    by: str | None = None
    """Who asked for a manual run: `api`, `cli:<user>`, or as a program calls itself."""
    cancelled_by: str | None = None
    """Who cancelled this fire, and not its prompt."""
    result: Result | None = None
    error: str | None = None
    usage: Usage | None = None
    """What its attempts said they used, together."""
    cost: Decimal | None = None
    """What was counted for it in the configured currency: what its attempts said, and where one said nothing, what was
    reserved."""

    @property
    def lateness_ms(self) -> int | None:
        """Start of the (latest) attempt minus due. Never negative."""
        return None if self.started_at is None else self.started_at - self.due

    @property
    def text(self) -> str:
        """The prompt's text. Raises LookupError where the fire was read without its definition."""
        return self._definition.text

    @property
    def scheduled_by(self) -> str | None:
        """The agent whose words the text is, as `agent:planner`; None where it is a person's, or a program's. Raises as
        `text` does."""
        return scheduled_by(self._definition)

    @property
    def fenced_text(self) -> str:
        """The text for a model: what an agent wrote is marked as its words, with when it scheduled them and that it is
        to be done now. What a person wrote is as it is. Raises as `text` does."""
        return fenced(self.id, self._definition, self.trigger)

    @property
    def _definition(self) -> Definition:
        if self.prompt is None:
            raise LookupError(f"fire {self.id} was read without its prompt")
        return self.prompt

    # Inside it: for the runner that has it in hand

    @cached_property
    def inside(self) -> Inside:
        """What the engine gave to the fire that a runner has in hand. Raises LookupError where nobody did.

        Kept as a cached property is, beside the fields: those that are read for the account cost nothing more."""
        raise LookupError(f"fire {self.id} is not in the hands of a runner: it has no tools")

    @property
    def tools(self) -> InsideTools:
        """The tools of the agent whose fire this is, in its hands. Raises LookupError where no daemon runs it."""
        return self.inside.tools

    async def environment(self) -> dict[str, str]:
        """What a child process needs in its environment, so that `scheduled-prompts` acts there as this fire's agent;
        nothing where no daemon runs it. It holds a secret: not to be shown, logged or stored."""
        return await self.inside.environment() if "inside" in self.__dict__ else {}

    def begun(self, at: int, inside: Inside) -> Fire:
        """As a runner is handed it."""
        begun = self.model_copy(update={"started_at": at})
        begun.__dict__["inside"] = inside  # as `cached_property` does it
        return begun

    def __getstate__(self) -> dict[Any, Any]:
        """In another process there is no inside."""
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name != "inside"}
        return {**state, "__dict__": fields}


def cut_text(text: str) -> tuple[str, bool]:
    """`text` within 64 KiB of UTF-8, and whether it had to be cut."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_RESULT_BYTES:
        return encoded.decode(), False
    room = MAX_RESULT_BYTES - len(CUT_MARK.encode())
    return encoded[:room].decode("utf-8", "ignore") + CUT_MARK, True


def fitting(result: Result) -> Result:
    """The result as it can be kept."""
    if result.text is None:
        return result
    text, cut = cut_text(result.text)
    return result.model_copy(update={"text": text, "truncated": result.truncated or cut})


_NUMBERS = ("version", "attempt", "crashes", "failures", "priority")
_INSTANTS = ("nominal", "due", "queued_at", "started_at", "ended_at", "retry_at")
_WORDS = ("trigger", "status", "reason", "daemon", "runner", "platform", "error", "rerun_of", "by", "cancelled_by")


def read_fire(fire_id: str, stored: dict[str, str], prompt: Definition | None = None) -> Fire:
    """A fire from its hash. Raises ValueError, KeyError or a pydantic error for one that cannot be read."""
    fields: dict[str, object] = {"id": fire_id, "prompt_id": fire_id[:26], "prompt": prompt}
    for name in _NUMBERS:
        if name in stored:
            fields[name] = count(stored[name])
    for name in _INSTANTS:
        if stored.get(name):
            fields[name] = instant(stored[name])
    for name in _WORDS:
        if stored.get(name):
            fields[name] = stored[name]
    if stored.get("cancel"):
        fields["cancel_requested"] = True
    if "tokens_in" in stored:
        fields["usage"] = _usage(stored)
    if "cost" in stored or "assumed" in stored:
        fields["cost"] = from_micro(count(stored.get("cost") or "0") + count(stored.get("assumed") or "0"))
    if stored.get("result"):
        fields["result"] = Result.model_validate_json(stored["result"])
    return Fire.model_validate(fields)


def _usage(stored: dict[str, str]) -> Usage:
    cost = stored.get("usage_cost")
    return Usage.model_construct(  # a sum may be larger than what one attempt may say
        tokens_in=count(stored["tokens_in"]),
        tokens_out=count(stored.get("tokens_out") or "0"),
        cost=None if cost is None else from_micro(count(cost)),
        currency=stored.get("currency") or None,
    )
