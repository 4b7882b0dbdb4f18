"""Do the indexes agree with the records? What does not is found, and put right.

The records (`prompt:`, `fire:`) are the truth, and every index follows from them. Each record and each entry of an
index is judged inside a script, at one instant, so that what daemons change meanwhile is never taken for damage; and
what is to be mended is judged again by the script that mends it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, NamedTuple

from scheduled_prompts.prompt import SCHEMA, PromptStatus
from scheduled_prompts.store import script
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.pages import BATCH
from scheduled_prompts.store.transport import Transport, as_text, to_json

Item = tuple[str, str, str]
"""What is judged: `prompt` or `fire` and its id, or `key`, its name, and the cursor of a page of its entries."""

_MEANINGS = {
    "wrong_type": "key {name} is a {is}, and should be a {should}",
    "unreadable_prompt": "prompt {name} cannot be read, and was not set aside",
    "not_in_quarantine": "prompt {name} was set aside, and `quarantine` does not say why",
    "wrongly_in_quarantine": "`quarantine` lists prompt {member}, which is {is}",
    "not_in_index": "prompt {name} is missing in {place}",
    "wrong_score": "{name} is listed in {place} at {is} instead of {should}",
    "wrong_status_index": "prompt {member} is listed in {name}, and is {is}",
    "wrong_index": "prompt {member} is listed in {name}, and its definition does not say so",
    "index_without_prompt": "{name} lists prompt {member}, which is gone",
    "not_due": "prompt {name} is to fire at {should}, and {place} does not say so",
    "wrongly_due": "prompt {member} is listed in {name}, and is {is}",
    "due_without_prompt": "{name} lists prompt {member}, which is gone",
    "not_in_approvals": "prompt {name} waits for approval until {should}, and {place} does not say so",
    "wrongly_in_approvals": "`approvals` lists prompt {member}, which is {is}",
    "wrong_caps": "prompt {name} says that it is counted for {is}, and its definition says for {should}",
    "not_counted": "prompt {name} is missing among the active ones in {place}",
    "wrongly_counted": "{name} counts prompt {member}, which is {is}",
    "platform_unseen": "nobody would look at {name}: its platform is missing in `platforms`",
    "key_lost": "prompt {name} does not hold its key: {place} does not name it",
    "key_of_two": "prompts {name} and {is} both live with one key ({place}); one is to be cancelled",
    "key_of_nobody": "{name} names prompt {is}, which is gone",
    "key_of_stranger": "{name} names prompt {is}, which has another key, or none",
    "unreadable_fire": "fire {name} cannot be read",
    "fire_in_no_index": "fire {name} is {is}, and is missing in {place}",
    "fire_in_wrong_index": "fire {member} is listed in {name}, and is {is}",
    "index_without_fire": "{name} lists fire {member}, which is gone",
    "waits_for_no_turn": "{name} lists fire {member}, which is {is} and does not wait there",
    "fire_not_live": "fire {name} has not ended, and is missing in {place}",
    "live_without_fire": "{name} lists fire {member}, which is gone or another prompt's",
    "ended_fire_live": "{name} lists fire {member}, which is {is}",
    "fire_in_no_history": "fire {name} is missing in {place}",
    "history_without_fire": "{name} lists fire {member}, which is gone or another prompt's",
    "slot_not_held": "fire {name} runs under a limit, and {place} does not say so",
    "slot_of_nobody": "{name} lists fire {member}, which does not run under it",
    "parking_unseen": "nobody would wake what waits in {name}: its limit is missing in `parked`",
    "queue_unseen": "nobody would look at {name}: its queue is missing in `queues`",
    "wrong_reserved": "{name} has {is} micro-units reserved in all, and its running fires {should}; or so on its day",
    "orphan": "{place} belongs to a prompt that is gone",
    "unknown_key": "key {name} is none that this release knows",
}
"""Each kind of damage, in the order in which they are to be mended: a key of the wrong type stands in the way of what
belongs in it."""

_ORDER = {kind: place for place, kind in enumerate(_MEANINGS)}


class Damage(NamedTuple):
    """Where a damage is, as the script names it: `subject` is `prompt`, `fire`, `key`, or `entry` (`member` of the
    index `name`); `place` is the key that is wrong, without the prefix."""

    subject: str
    name: str
    member: str
    place: str


class Inconsistency(NamedTuple):
    kind: str
    """A stable word, such as `not_due`."""
    what: str
    """A prompt's or fire's id, or a key."""
    message: str
    damage: Damage


class Inspection:
    transport: Transport
    keys: Keys
    new_op: Callable[[], str]

    async def inspect(self, progress: Callable[[int, int], None] | None = None) -> list[Inconsistency]:
        """Everything in the namespace that does not add up, in the order in which it is to be mended. `progress` hears
        how many prompts were looked at, of about how many."""
        total = await self._prompts()
        seen = 0
        found: dict[tuple[str, Damage], Inconsistency] = {}
        async for items in self._batches():
            for one in await self._judge(items):
                found[one.kind, one.damage] = one  # a scan may come by twice
            seen += sum(1 for subject, _, _ in items if subject == "prompt")
            if progress is not None:
                progress(min(seen, total), total)
        return sorted(found.values(), key=lambda one: (_ORDER[one.kind], one.what))

    async def repair(self, found: Inconsistency, *, op: str | None = None) -> bool:
        """Make an index follow from the records again. True where it now does; False where nothing can be derived: the
        message says what is wrong."""
        wanted = [found.damage.subject, found.damage.name, found.damage.member, found.kind, found.damage.place]
        answer = await self.transport.run(
            script.REPAIR, op=op or self.new_op(), mode="mend", schema=SCHEMA, items=to_json([wanted])
        )
        return bool(answer[0] != "left")

    async def _prompts(self) -> int:
        client = self.transport.client
        indexes = [self.keys.by("status", status) for status in PromptStatus]

        async def read() -> int:
            total = 0
            for key in indexes:
                total += int(await client.zcard(key)) if as_text(await client.type(key)) == "zset" else 0
            return total

        return int(await self.transport.ask(read))

    async def _batches(self) -> AsyncIterator[list[Item]]:
        """All that is in the namespace, as it is to be judged."""
        async for names in self._names():
            if items := [item for name in names if (item := _item(name))]:
                yield items

    async def _names(self) -> AsyncIterator[list[str]]:
        """The keys of the namespace, without the prefix, page by page."""
        prefix, cursor = self.keys.prefix, 0
        while True:
            cursor, names = await self.transport.ask(partial(self._scan, cursor))
            yield [name.removeprefix(prefix) for name in as_text(list(names))]
            if cursor == 0:
                return

    async def _scan(self, cursor: int) -> tuple[int, list[Any]]:
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", self.keys.prefix) + "*"
        following, names = await self.transport.client.scan(cursor, match=pattern, count=BATCH)
        return int(following), list(names)

    async def _judge(self, items: list[Item]) -> list[Inconsistency]:
        """The script does as much at a time as others can wait for, and says how far it came."""
        found: list[Inconsistency] = []
        while items:
            done, cursor, *damages = await self.transport.run(
                script.REPAIR, mode="check", schema=SCHEMA, items=to_json(items[:BATCH])
            )
            items = items[int(done) :]
            if cursor != "0":
                items[0] = (*items[0][:2], cursor)
            found += [_inconsistency(*damage) for damage in damages]
        return found


def _item(name: str) -> Item | None:
    kind, _, rest = name.partition(":")
    if kind in ("prompt", "fire") and rest:
        return kind, rest, "0"
    return None if kind in ("op", "ended") and rest else ("key", name, "0")


def _inconsistency(kind: str, subject: str, name: str, member: str, place: str, is_: str, should: str) -> Inconsistency:
    message = _MEANINGS[kind].format_map({"name": name, "member": member, "place": place, "is": is_, "should": should})
    what = member if subject == "entry" else place if kind == "orphan" else name
    return Inconsistency(kind, what, message, Damage(subject, name, member, place))
