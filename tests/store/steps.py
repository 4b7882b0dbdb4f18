"""The steps that a prompt goes through, each one call of the Store: what a test does before it comes to its point."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from scheduled_prompts import ids
from scheduled_prompts.claims import claim_item, manual_claim
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Interval, Once
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import ALL, ClaimItem, EditItem, Lease, Serves, SettleItem, Taken
from tests.conftest import Lab

EVERYTHING = Serves((ALL,), (ALL,))
LEASE = 60_000
HOUR = 3_600_000
KEEP = 1000
MAX_CRASHES = 3


def new_prompt(store: Store, *, once: bool = False, next_at: int | None = None, **fields: Any) -> ScheduledPrompt:
    """A prompt that is due now, unless `next_at` (ms UTC) says otherwise; recurring, unless `once`. Its fires may run
    side by side."""
    now = store.clock.now()
    due = now if next_at is None else next_at
    return ScheduledPrompt.model_validate(
        {
            "text": "say hello",
            "schedule": Once(at=due) if once else Interval(every_ms=HOUR, anchor=due),
            "id": ids.new_prompt_id(now, store.clock.random),
            "status": "scheduled" if once else "active",
            "next_nominal": due,
            "next_at": due,
            "created_at": now,
            "updated_at": now,
            "overlap": "allow",
            **fields,
        }
    )


async def saved(store: Store, **fields: Any) -> ScheduledPrompt:
    prompt = new_prompt(store, **fields)
    assert await store.create(prompt) is None
    return prompt


async def read(store: Store, prompt: ScheduledPrompt) -> ScheduledPrompt:
    """The prompt as it stands now."""
    [found] = await store.read_prompts([prompt.id])
    assert isinstance(found, ScheduledPrompt)
    return found


async def read_fire(store: Store, fire_id: str) -> Fire:
    [found] = await store.read_fires([fire_id])
    assert isinstance(found, Fire)
    return found


def claim_for(prompt: ScheduledPrompt, *, missed_from: int | None = None) -> ClaimItem:
    """The claim of what is next: an hour later comes the next one, unless it is a one-shot."""
    nominal, due = prompt.next_nominal, prompt.next_at
    assert nominal is not None
    assert due is not None
    item = claim_item(prompt, ids.scheduled_fire_id(prompt.id, nominal), "schedule", nominal=nominal, due=due)
    if prompt.status == "scheduled":
        item["next_status"] = "executed"
    else:
        item["next_nominal"] = item["next_at"] = str(nominal + HOUR)
    if missed_from is not None:
        item["missed_from"], item["missed_until"] = str(missed_from), str(nominal)
    return item


def manual_for(store: Store, prompt: ScheduledPrompt) -> ClaimItem:
    now = store.clock.now()
    return manual_claim(prompt, ids.manual_fire_id(prompt.id, now, store.clock.random), now)


async def claimed(store: Store, prompt: ScheduledPrompt) -> str:
    """The id of the fire that what is next has become."""
    item = claim_for(await read(store, prompt))
    assert await store.claim([item]) == ["claimed"]
    return item["fire"]


async def queued(store: Store, **fields: Any) -> str:
    """A fire in the ready queue, of a new prompt."""
    return await claimed(store, await saved(store, **fields))


async def take(store: Store, limit: int = 500, *, serves: Serves = EVERYTHING, op: str | None = None) -> Taken:
    return await store.take(limit, lease_ms=LEASE, daemon="daemon", serves=serves, op=op)


async def taken(store: Store) -> Lease:
    """A lease of the one fire that is ready."""
    [lease] = (await take(store)).leases
    return lease


async def running(store: Store, **fields: Any) -> Lease:
    """A lease of the fire of a new prompt."""
    await queued(store, **fields)
    return await taken(store)


def ending(
    store: Store,
    lease: Lease,
    outcome: str = "succeeded",
    *,
    started_at: int | None = None,
    retry_at: int | None = None,
    reason: str = "",
    result: str = "",
    error: str = "",
) -> SettleItem:
    now = store.clock.now()
    return {
        "fire": lease.fire.id,
        "token": lease.token,
        "outcome": outcome,
        "reason": reason,
        "started_at": str(now if started_at is None else started_at),
        "ended_at": str(now),
        "result": result,
        "error": error,
        "retry_at": "" if retry_at is None else str(retry_at),
    }


async def settle(store: Store, items: Sequence[SettleItem], *, keep: int = KEEP) -> list[str]:
    return await store.settle(items, keep=keep)


async def settled(store: Store, lease: Lease, outcome: str = "succeeded", **fields: Any) -> None:
    assert await settle(store, [ending(store, lease, outcome, **fields)]) == ["settled"]


async def retrying(store: Store, **fields: Any) -> Lease:
    """The lease, given up, of a fire that waits a minute for its next attempt."""
    lease = await running(store, **fields)
    await settled(store, lease, "retrying", retry_at=store.clock.now() + 60_000, reason="failed", error="no luck")
    return lease


async def reap(store: Store, *, leases: bool = True, op: str | None = None) -> list[tuple[str, str]]:
    return await store.reap(leases=leases, max_crashes=MAX_CRASHES, op=op)


async def lease_runs_out(store: Store) -> None:
    await store.clock.sleep(LEASE / 1000)


async def crash(store: Store) -> list[tuple[str, str]]:
    """What becomes of what is leased, when nobody renews it."""
    await lease_runs_out(store)
    return await reap(store)


def edit_of(prompt: ScheduledPrompt, *, next_at: int | None = None, **changes: Any) -> EditItem:
    """An edit of a prompt as it was read; with `next_at` (ms UTC) one of its schedule, which has its first occurrence
    then."""
    if next_at is not None:
        once = isinstance(prompt.schedule, Once)
        changes["schedule"] = Once(at=next_at) if once else Interval(every_ms=HOUR, anchor=next_at)
    wanted = prompt.model_copy(update=changes)
    return {
        "id": prompt.id,
        "version": str(prompt.version),
        "doc": wanted.document(),
        "owner": wanted.owner or "",
        "key": wanted.key or "",
        "platform": wanted.platform,
        "agent": wanted.agent or "",
        "conversation": wanted.conversation or "",
        "before": {"platform": prompt.platform, "agent": prompt.agent or ""},
        "changed": sorted(changes),
        "status": "scheduled" if isinstance(wanted.schedule, Once) else "active",
        "next_nominal": "" if next_at is None else str(next_at),
        "next_at": "" if next_at is None else str(next_at),
        "created_at": str(prompt.created_at),
        "values": "",
        "was": "" if next_at is None else prompt.timing(),
    }


async def edited(store: Store, prompt: ScheduledPrompt, **changes: Any) -> ScheduledPrompt:
    """The prompt after an edit of it as it stands now."""
    answer = await store.edit(edit_of(await read(store, prompt), **changes))
    assert isinstance(answer, int)
    return await read(store, prompt)


async def paused(store: Store, prompt: ScheduledPrompt) -> ScheduledPrompt:
    assert isinstance(await store.pause(prompt.id, reason="requested"), int)
    return await read(store, prompt)


async def resumed(store: Store, prompt: ScheduledPrompt, *, next_at: int) -> ScheduledPrompt:
    status = "scheduled" if isinstance(prompt.schedule, Once) else "active"
    assert await store.resume(await read(store, prompt), status, next_at, next_at) is None
    return await read(store, prompt)


async def pending(store: Store, *, seconds: float = 600.0, **fields: Any) -> ScheduledPrompt:
    """A prompt that waits for approval for so long."""
    now = store.clock.now()
    asked = {"pending_since": now, "pending_until": now + round(seconds * 1000), "pending_why": "a person is to see it"}
    return await read(store, await saved(store, status="pending_approval", pending_by="agent:bot", **asked, **fields))


async def approved(store: Store, prompt: ScheduledPrompt, *, next_at: int) -> ScheduledPrompt:
    status = "scheduled" if isinstance(prompt.schedule, Once) else "active"
    assert await store.approve(await read(store, prompt), status, next_at, next_at, note="fine", by="eve") is None
    return await read(store, prompt)


async def skipping(store: Store, prompt: ScheduledPrompt, *nominals: int) -> ScheduledPrompt:
    """The prompt, of which these and no other occurrences are to be skipped."""
    assert await store.skip("skip", await read(store, prompt), nominals[-1], nominals) == "done"
    return await read(store, prompt)


def damage(lab: Lab, key: str) -> None:
    """The key becomes one of a type that nobody expects."""
    lab.inspector.delete(lab.prefix + key)
    lab.inspector.set(lab.prefix + key, "not what it should be")


def heard(lab: Lab) -> Callable[[], list[dict[str, str]]]:
    """What is announced to live daemons from now on, once it is asked for."""
    listener = lab.inspector.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(f"{lab.prefix}changes")
    listener.get_message(timeout=0.05)

    def messages() -> list[dict[str, str]]:
        found = [json.loads(m["data"]) for _ in range(20) if (m := listener.get_message(timeout=0.01))]
        listener.close()
        return found

    return messages
