"""The prompt: what to ask, when, and of whom.

`Definition` is what somebody decided; it changes with `version`. `ScheduledPrompt` adds what moves by itself: status,
what is next, what was last. The store keeps the two apart, so that a claim never rewrites a definition.

Records are strict at the edge (unknown fields are refused) and tolerant in the store (a field that a newer release
wrote is kept).
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.names import Name
from scheduled_prompts.policies import Policies
from scheduled_prompts.schedule import Once, Schedule, zone
from scheduled_prompts.stored import count, instant

SCHEMA = 1
TIMING = ("schema", "schedule", "timezone", "jitter", "start_at", "end_at", "max_fires", "quiet", "quiet_policy")
"""The fields of a definition that say when, as they are stored."""
RESCHEDULING = frozenset(TIMING) - {"schema"}
"""Those of which a change is another schedule."""
MAX_TEXT_BYTES = 32 * 1024
GRACE = 3_600.0
GRACE_OF_SKIP = 60.0
"""How late an occurrence may begin, in seconds, where the prompt does not say it."""


class PromptStatus(StrEnum):
    SCHEDULED = "scheduled"
    """One occurrence is to come."""
    ACTIVE = "active"
    """Recurring."""
    PAUSED = "paused"
    EXECUTED = "executed"
    """Nothing is left to come."""
    CANCELLED = "cancelled"
    PENDING_APPROVAL = "pending_approval"
    """An agent asked for it, and a person is to approve it before it fires."""
    QUARANTINED = "quarantined"
    """Set aside: its record cannot be read, or what is next cannot be computed."""

    @property
    def has_ended(self) -> bool:
        return self in (PromptStatus.EXECUTED, PromptStatus.CANCELLED)

    @property
    def is_armed(self) -> bool:
        """Whether it fires when its time comes."""
        return self in (PromptStatus.SCHEDULED, PromptStatus.ACTIVE)


class Definition(Policies):
    """What is to happen, and by which policies. Durations are in seconds."""

    text: Annotated[str, StringConstraints(min_length=1)]
    schedule: Schedule
    timezone: str = "UTC"
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    key: Name | None = None
    runner: Name = "log"
    platform: Name = "default"
    owner: Name | None = None
    agent: Name | None = None
    conversation: Name | None = None
    labels: dict[Name, Annotated[str, StringConstraints(max_length=256)]] = Field(default_factory=dict, max_length=64)

    @field_validator("text")
    @classmethod
    def _text_fits(cls, text: str) -> str:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_TEXT_BYTES:
            raise ValueError(f"the text has {size:,} bytes; at most {MAX_TEXT_BYTES:,} are kept")
        if not text.strip():
            raise ValueError("the text is blank")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("the text is not valid Unicode") from error
        return text

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        return zone(name).key

    def local(self, instant: int) -> datetime:
        """An instant (ms UTC) as an aware datetime in the prompt's zone."""
        return datetime.fromtimestamp(instant / 1000, zone(self.timezone))

    @property
    def jitter_ms(self) -> int:
        return round(self.jitter * 1000)

    @property
    def grace_ms(self) -> int | None:
        """How late an occurrence may begin; None: however late."""
        grace = self.grace
        if grace is None:
            if self.misfire == "skip":
                grace = GRACE_OF_SKIP
            elif not isinstance(self.schedule, Once):
                grace = GRACE
        return None if grace is None else round(grace * 1000)

    def document(self) -> str:
        """The definition as compact JSON, without what is default, and with what a newer release added to it."""
        schedule = self.schedule
        fields = Definition.model_dump(self, mode="json", exclude_defaults=True, include=_DEFINED)
        fields["schedule"] = schedule.model_dump(mode="json", exclude_defaults=True) | {"kind": schedule.kind}
        fields["schedule"] |= schedule.model_extra or {}
        fields["schema"] = SCHEMA
        return json.dumps(fields | (self.model_extra or {}), separators=(",", ":"), ensure_ascii=False)

    def timing(self) -> str:
        """What the occurrences follow from, as compact JSON: to be kept when another schedule takes over."""
        fields = json.loads(self.document())
        return json.dumps({name: fields[name] for name in TIMING if name in fields}, separators=(",", ":"))


class ScheduledPrompt(Definition):
    """A definition, and where it stands. Instants are ms UTC."""

    id: str
    status: PromptStatus
    version: int = 1
    """Rises with the definition and with each transition somebody asked for."""
    seq: int = 0
    """Rises with any change of what is next."""
    next_nominal: int | None = None
    next_at: int | None = None
    """When it is due next: the nominal time plus jitter."""
    last_nominal: int | None = None
    """The last occurrence that was claimed."""
    last_fire: str | None = None
    forgotten: int | None = None
    """The latest nominal time of which retention has deleted the fire."""
    failures: int = 0
    """Failed fires in a row."""
    fired: int = 0
    """How many occurrences fired, without those that were skipped or missed."""
    skips: tuple[int, ...] = ()
    """Nominal times to come that are not to fire, in order."""
    paused_at: int | None = None
    pause_reason: str | None = None
    """`requested` by somebody; later also by the prompt itself."""
    pause_note: str | None = None
    pending_since: int | None = None
    """Since when it waits for approval; None where it does not."""
    pending_until: int | None = None
    """When it is cancelled, unless somebody approves it before."""
    pending_why: str | None = None
    """Why it needs approval, in words."""
    pending_by: str | None = None
    """Who asked for what is to be approved."""
    decision: str | None = None
    """What came of the last wait for approval: `approved`, `rejected` or `expired`; None where there was none."""
    decided_at: int | None = None
    decided_by: str | None = None
    decision_note: str | None = None
    created_at: int
    created_by: str | None = None
    """Who made it: `api`, `cli:<user>`, `agent:<agent>`, or as a program calls itself."""
    created_in: str | None = None
    """The fire in which an agent made it; None where that was in none."""
    lineage: tuple[str, ...] = ()
    """Its ancestors, the root first: the prompts in whose fires one another, and at last this one, were made."""
    updated_at: int
    ended_at: int | None = None

    @property
    def depth(self) -> int:
        """0 for what was not made in a fire; else one more than the prompt in whose fire it was made."""
        return len(self.lineage)

    @property
    def parent(self) -> str | None:
        """The prompt in whose fire it was made."""
        return self.lineage[-1] if self.lineage else None

    @property
    def root(self) -> str:
        """Where its tree begins: the first of its ancestors, or itself."""
        return self.lineage[0] if self.lineage else self.id


FIELDS = tuple(sorted(Definition.model_fields, key=Policies.model_fields.__contains__))
"""Those of a definition: what is asked first, then the policies."""
_DEFINED = set(FIELDS)
_MOVING_NUMBERS = (
    *("next_nominal", "next_at", "last_nominal", "paused_at", "ended_at", "forgotten"),
    *("pending_since", "pending_until", "decided_at"),
)
_MOVING_WORDS = (
    *("last_fire", "pause_reason", "pause_note", "created_by", "created_in"),
    *("pending_why", "pending_by", "decision", "decided_by", "decision_note"),
)


class NewerSchema(InvalidInput):
    """The record was written by a newer release; this one leaves it alone."""

    code = "newer_schema"


def read_document(document: str) -> dict[str, Any]:
    """The fields of a stored definition. Raises `NewerSchema` where a later release wrote it."""
    fields: dict[str, Any] = json.loads(document)
    schema = fields.pop("schema", SCHEMA)
    if schema > SCHEMA:
        raise NewerSchema(f"the record has schema {schema}; this release reads up to {SCHEMA}")
    return fields


def read_timing(timing: str) -> Definition:
    """What `Definition.timing` kept; its text is not known. Raises as `read_definition` does."""
    return read_definition(json.dumps({**json.loads(timing), "text": "?"}))


@lru_cache(maxsize=1024)
def read_definition(document: str) -> Definition:
    """A stored definition. Cached: a recurring prompt's fires all run the same one."""
    return Definition.model_validate(read_document(document), extra="allow")


def read_prompt(prompt_id: str, stored: dict[str, str]) -> ScheduledPrompt:
    """A prompt from its hash. Raises ValueError, KeyError or a pydantic error for a record that cannot be read."""
    fields = read_document(stored["doc"])
    for name in _MOVING_NUMBERS:
        value = stored.get(name)
        fields[name] = instant(value) if value else None
    fields["id"] = prompt_id
    fields["status"] = stored["status"]
    fields["version"] = count(stored["version"])
    fields["seq"] = count(stored["seq"])
    fields["failures"] = count(stored.get("failures") or "0")
    fields["fired"] = count(stored.get("fired") or "0")
    for name in _MOVING_WORDS:
        fields[name] = stored.get(name) or None
    if stored.get("skips"):
        fields["skips"] = tuple(instant(str(nominal)) for nominal in json.loads(stored["skips"]))
    if stored.get("lineage"):
        fields["lineage"] = tuple(stored["lineage"].split())
    fields["created_at"] = instant(stored["created_at"])
    fields["updated_at"] = instant(stored.get("updated_at") or stored["created_at"])
    return ScheduledPrompt.model_validate(fields, extra="allow")
