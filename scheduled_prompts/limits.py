"""How much may be, and how much may happen at once: the limits of a whole fleet, from `[limits]` in the settings.

Each daemon hands its own to the store with every take, and whoever makes or changes a prompt with that; there they are
judged, inside the scripts. All in one namespace should have the same.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scheduled_prompts.errors import LimitReached
from scheduled_prompts.ids import short
from scheduled_prompts.names import Name

Count = Annotated[int, Field(ge=0, le=1_000_000)]
MOST_DAYS = 36_500
"""Of retention: what ended longer ago than that is before all calendars."""
PROFILES: dict[str, dict[str, Any]] = {
    "none": {},
    "agents": {
        "fires_per_owner": 100,
        "fires_per_conversation": 24,
        "fires_per_tree": 100,
        "made_per_owner": 200,
    },
}
"""What is limited where nothing else is said."""
AtOnce = Annotated[int, Field(ge=1, le=100_000)]


class Concurrency(BaseModel):
    """How many fires may run at once, over all daemons: of any one owner, agent, …; and of those that are named: what
    is said of a named one counts instead of what is said of any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: AtOnce | None = None
    agent: AtOnce | None = None
    conversation: AtOnce | None = None
    platform: AtOnce | None = None
    runner: AtOnce | None = None
    owners: dict[Name, AtOnce] = Field(default_factory=dict)
    agents: dict[Name, AtOnce] = Field(default_factory=dict)
    conversations: dict[Name, AtOnce] = Field(default_factory=dict)
    platforms: dict[Name, AtOnce] = Field(default_factory=dict)
    runners: dict[Name, AtOnce] = Field(default_factory=dict)


class Limits(BaseModel):
    """All of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Literal["none", "agents"] = "none"
    """What holds where the others are not said; `agents` is for a house in which agents make prompts by themselves."""
    active_per_owner: Count = 10
    """How many prompts made by agents (those with an `agent`) may be scheduled or active at once; 0: any number."""
    active_per_conversation: Count = 10
    fires_per_owner: Count = 0
    """How many attempts may begin in any 24 h, whatever became of them; 0: any number."""
    fires_per_conversation: Count = 0
    max_depth: Annotated[int, Field(ge=0, le=16)] = 0
    """How deep prompts may be that agents make inside of a fire: what such a prompt makes in its fires is one deeper.
    0: a fire makes none; it may change the prompt whose fire it is."""
    active_per_tree: Count = 10
    """How many prompts that were made in the fires of one, or of those, may be scheduled or active at once; 0: any
    number."""
    fires_per_tree: Count = 0
    """How many attempts of these, and of the one, may begin in any 24 h, where an agent made that; 0: any number."""
    made_per_owner: Count = 0
    """How many prompts agents may make for one owner in any 24 h; 0: any number."""
    min_interval: Annotated[float, Field(ge=0, le=366 * 86_400)] = 60.0
    """How near the occurrences of a prompt made by an agent may follow each other (seconds)."""
    concurrency: Concurrency = Concurrency()

    @model_validator(mode="before")
    @classmethod
    def _by_the_profile(cls, said: Any) -> Any:
        profile = said.get("profile") if isinstance(said, dict) else None
        return PROFILES.get(profile, {}) | said if isinstance(profile, str) else said

    @property
    def rates(self) -> dict[str, int]:
        """How many attempts may begin in 24 h, by what they are counted for."""
        found = {
            "owner": self.fires_per_owner,
            "conversation": self.fires_per_conversation,
            "tree": self.fires_per_tree,
        }
        return {kind: limit for kind, limit in found.items() if limit}

    @property
    def caps(self) -> dict[str, int]:
        """The most active prompts, by what they are counted for."""
        found = {
            "owner": self.active_per_owner,
            "conversation": self.active_per_conversation,
            "tree": self.active_per_tree,
        }
        return {kind: limit for kind, limit in found.items() if limit}

    def document(self) -> str:
        """What the scripts read: JSON, without what is not limited."""
        fields = {"concurrency": self.concurrency.model_dump(mode="json", exclude_defaults=True), "rates": self.rates}
        return json.dumps({name: value for name, value in fields.items() if value}, separators=(",", ":"))


def cap_reached(cap: str, limit: int) -> LimitReached:
    """`cap` is `owner:<owner>`, `conversation:<conversation>` or `tree:<id of the root>`."""
    kind, _, name = cap.partition(":")
    who = f"{kind} {name!r} has" if name else "what has no owner has"
    made = "made by agents"
    if kind == "tree":
        who, made = f"prompt {short(name)} has", "made in its fires, and in those of these,"
    return LimitReached(
        f"{who} the {limit:,} active prompts {made} that it may have ([limits] active_per_{kind} = {limit})",
        hint="cancel or pause one of them, wait until one has ended, or raise the limit in the settings",
    )
