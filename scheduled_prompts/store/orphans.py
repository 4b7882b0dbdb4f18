"""What is left of prompts that are gone: found by a walk over the keys' names, and deleted.

No transition leaves any: a prompt goes with all that is its. But somebody may have deleted a key by hand, or a server
may have come back without its last writes; and what is counted for a limit must not be counted for ever. The walk is
cheap: it asks which of the prompts that keys belong to exist, and looks closer only where one does not. What is deleted
is judged again by the script that deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduled_prompts import ids
from scheduled_prompts.clock import Clock
from scheduled_prompts.store.inspection import Inspection, Item
from scheduled_prompts.store.transport import as_text

OF_A_PROMPT = ("fire", "history", "live", "spans", "version", "spend")
"""The kinds of keys that go with their prompt."""
COUNTED = ("active", "slots", "turns")
"""The kinds of keys that hold what a limit counts; there are few, and each entry is looked at. What counts for a rate
has happened, whatever became of the prompt, and expires by itself."""
LEFT_OVER = {
    "orphan",
    "live_without_fire",
    "index_without_prompt",
    "index_without_fire",
    "wrongly_counted",
    "slot_of_nobody",
    "waits_for_no_turn",
}


class Orphans(Inspection):
    clock: Clock

    async def time_for_orphans(self, period: int) -> bool:
        """Whether nobody has looked for `period` ms. Whoever asks is taken to look now."""
        client, now = self.transport.client, self.clock.now()
        before = as_text(await self.transport.ask(lambda: client.hget(self.keys.meta, "orphans_at")))
        if before is not None and now - int(before) < period:
            return False
        await self.transport.ask(lambda: client.hset(self.keys.meta, "orphans_at", str(now)))
        return True

    async def delete_orphans(self) -> int:
        """Delete what belongs to nothing. Returns how many fires, keys and entries went."""
        deleted = 0
        async for names in self._names():
            items = [*await self._suspects(names), *_counted(names)]
            for found in await self._judge(items):
                if found.kind in LEFT_OVER and await self.repair(found):
                    deleted += 1
        return deleted

    async def _suspects(self, names: Sequence[str]) -> list[Item]:
        """What is to be judged of the keys that belong to a prompt: those whose prompt is not there."""
        owners = {name: owner for name in names if (owner := _owner(name)) is not None}
        wanted = sorted(set(owners.values()))
        client = self.transport.client

        async def which_exist() -> list[int]:
            async with client.pipeline(transaction=False) as pipe:
                for prompt_id in wanted:
                    pipe.exists(self.keys.prompt(prompt_id))
                return list(await pipe.execute())

        found = await self.transport.ask(which_exist) if wanted else []
        gone = {prompt_id for prompt_id, exists in zip(wanted, found, strict=True) if not exists}
        return [_item(name) for name, owner in owners.items() if owner in gone]


def _owner(name: str) -> str | None:
    """The id of the prompt that a key belongs to; None where it belongs to none."""
    kind, _, rest = name.partition(":")
    if kind not in OF_A_PROMPT:
        return None
    if kind == "spend":
        scope, _, rest = rest.partition(":")
        return rest if scope == "prompt" else None
    return rest[: ids.ID_LENGTH]


def _item(name: str) -> Item:
    kind, _, rest = name.partition(":")
    return ("fire", rest, "0") if kind == "fire" else ("key", name, "0")


def _counted(names: Sequence[str]) -> list[Item]:
    return [("key", name, "0") for name in names if name.partition(":")[0] in COUNTED]
