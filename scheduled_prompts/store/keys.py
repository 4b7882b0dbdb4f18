"""The one place in Python that spells a key. `scripts/prelude/base.lua` spells the same names for the scripts.

Every key starts with the hash tag `{<namespace>:<shard>}`, so that whatever one script touches lies in one slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Keys:
    namespace: str = "sp"
    shard: int = 0

    @cached_property
    def prefix(self) -> str:
        return f"{{{self.namespace}:{self.shard}}}:"

    @property
    def meta(self) -> str:
        return self.prefix + "meta"

    @property
    def platforms(self) -> str:
        return self.prefix + "platforms"

    @property
    def queues(self) -> str:
        return self.prefix + "queues"

    @property
    def leases(self) -> str:
        return self.prefix + "leases"

    @property
    def retries(self) -> str:
        return self.prefix + "retries"

    @property
    def events(self) -> str:
        return self.prefix + "events"

    @property
    def halts(self) -> str:
        return self.prefix + "halts"

    @property
    def quarantine(self) -> str:
        return self.prefix + "quarantine"

    @property
    def approvals(self) -> str:
        """What waits for approval, by when that runs out."""
        return self.prefix + "approvals"

    @property
    def parked_limits(self) -> str:
        """The limits that fires are parked at."""
        return self.prefix + "parked"

    @property
    def fair(self) -> str:
        """The last turn of each owner who has fires waiting."""
        return self.prefix + "fair"

    @property
    def revoked(self) -> str:
        """The tokens that are good no more, by when they would have expired."""
        return self.prefix + "revoked"

    @property
    def changes(self) -> str:
        """A channel, not a key."""
        return self.prefix + "changes"

    def prompt(self, prompt_id: str) -> str:
        return f"{self.prefix}prompt:{prompt_id}"

    def by(self, field: str, value: str) -> str:
        return f"{self.prefix}by:{field}:{value}"

    def key(self, owner: str | None, key: str) -> str:
        return f"{self.prefix}key:{owner or ''}:{key}"

    def active(self, kind: str, name: str | None) -> str:
        """`kind` is `owner`, `conversation`, or `tree`: then the name is the id of the first ancestor."""
        return f"{self.prefix}active:{kind}:{name or ''}"

    def rate(self, kind: str, name: str | None) -> str:
        """As `active`: the attempts that began, `<fire id>#<attempt>`, by time. `made` counts for an owner the prompts
        that agents made."""
        return f"{self.prefix}rate:{kind}:{name or ''}"

    def turns(self, kind: str, name: str | None) -> str:
        """As `active`: the fires that wait until they may begin, by when that is."""
        return f"{self.prefix}turns:{kind}:{name or ''}"

    def due(self, platform: str) -> str:
        return f"{self.prefix}due:{platform}"

    def fire(self, fire_id: str) -> str:
        return f"{self.prefix}fire:{fire_id}"

    def ready(self, queue: str) -> str:
        """`queue` is `<platform>/<runner>`."""
        return f"{self.prefix}ready:{queue}"

    def history(self, prompt_id: str) -> str:
        return f"{self.prefix}history:{prompt_id}"

    def live(self, prompt_id: str) -> str:
        return f"{self.prefix}live:{prompt_id}"

    def spans(self, prompt_id: str) -> str:
        return f"{self.prefix}spans:{prompt_id}"

    def version(self, prompt_id: str) -> str:
        return f"{self.prefix}version:{prompt_id}"

    def spend(self, scope: str) -> str:
        """`scope` is `all`, `owner:<owner>` or `prompt:<id>`."""
        return f"{self.prefix}spend:{scope}"

    def parked(self, limit: str) -> str:
        """`limit` is `<kind>:<value>`, such as `owner:ann`."""
        return f"{self.prefix}parked:{limit}"

    def slots(self, limit: str) -> str:
        return f"{self.prefix}slots:{limit}"

    def ended(self, window: int) -> str:
        return f"{self.prefix}ended:{window}"
