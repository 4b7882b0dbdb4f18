"""claim: an occurrence becomes a fire, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import ClaimItem, Span
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    ending,
    heard,
    manual_for,
    queued,
    read,
    read_fire,
    saved,
    settle,
    settled,
    take,
    taken,
)


async def test_a_claimed_occurrence_is_a_queued_fire_that_lives_and_has_its_place_in_history(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat", runner="echo", priority=70, on_crash="interrupt")
        fire = await read_fire(store, await claimed(store, prompt))
        assert fire.id == f"{prompt.id}@{prompt.next_nominal}"
        assert (fire.status, fire.attempt, fire.trigger) == ("queued", 0, "schedule")
        assert (fire.nominal, fire.due) == (prompt.next_nominal, prompt.next_at)
        assert (fire.platform, fire.runner, fire.priority) == ("chat", "echo", 70)
        keys = lab.keys()
        assert [member for member, _ in keys["ready:chat/echo"]] == [fire.id]
        assert keys[f"live:{prompt.id}"] == {fire.id}
        assert keys[f"history:{prompt.id}"] == [(fire.id, float(fire.nominal))]
        assert keys[f"fire:{fire.id}"]["on_crash"] == "interrupt"


async def test_a_recurring_prompt_stays_active_and_is_due_for_what_comes_next(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        after = await read(store, prompt)
        assert (after.status, after.version, after.seq) == ("active", 1, 1)
        assert (after.last_nominal, after.last_fire) == (prompt.next_nominal, fire)
        assert after.next_at == (prompt.next_at or 0) + HOUR
        assert lab.keys()["due:default"] == [(prompt.id, float(after.next_at))]


async def test_a_one_shot_is_executed_with_its_claim_and_due_no_more(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        after = await read(store, prompt)
        assert (after.status, after.next_nominal, after.next_at) == ("executed", None, None)
        assert after.ended_at == store.clock.now()
        assert "due:default" not in set(lab.keys())
        assert "by:status:scheduled" not in set(lab.keys())


async def test_a_second_claim_of_the_same_occurrence_is_lost_and_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        item = claim_for(prompt)
        await store.claim([item])
        before = lab.keys()
        assert await store.claim([item], op="other") == ["lost"]
        after = lab.keys()
        del after["op:other"]
        assert after == before


@pytest.mark.parametrize(("field", "value"), [("version", "2"), ("seq", "9"), ("status", "paused")])
async def test_a_claim_by_what_was_read_before_the_prompt_changed_is_lost(lab: Lab, field: str, value: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        item = claim_for(prompt)
        item[field] = value  # type: ignore[literal-required]
        assert await store.claim([item]) == ["lost"]
        assert not [name for name in set(lab.keys()) if name.startswith("fire:")]


async def test_of_many_daemons_that_claim_one_occurrence_exactly_one_wins(lab: Lab) -> None:
    async with lab:
        stores = [await lab.store(seed=seed) for seed in range(5)]
        prompt = await saved(stores[0])
        answers = await asyncio.gather(*(store.claim([claim_for(prompt)]) for store in stores))
        assert sorted(answers) == [["claimed"]] + [["lost"]] * 4


async def test_a_cancelled_prompt_cannot_be_claimed_by_what_was_read_before(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.cancel(prompt.id)
        assert await store.claim([claim_for(prompt), manual_for(store, prompt)]) == ["lost", "lost"]


async def test_a_claim_of_a_prompt_that_is_gone_takes_it_out_of_the_due_index(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        lab.inspector.delete(store.keys.prompt(prompt.id), store.keys.by("platform", "default"))
        lab.inspector.delete(store.keys.by("status", "active"))
        assert await store.claim([claim_for(prompt), manual_for(store, prompt)]) == ["gone", "gone"]
        assert "due:default" not in set(lab.keys())


async def test_a_manual_run_leaves_the_schedule_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        item = manual_for(store, prompt)
        due = lab.keys()["due:default"]
        assert await store.claim([item]) == ["claimed"]
        after = await read(store, prompt)
        assert after == prompt.model_copy(update={"last_fire": item["fire"]})
        assert lab.keys()["due:default"] == due
        assert (await read_fire(store, item["fire"])).trigger == "manual"


async def test_a_manual_run_needs_no_fresh_reading_of_the_prompt(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        assert await store.claim([manual_for(store, prompt)]) == ["claimed"]


async def test_an_executed_prompt_can_be_run_by_hand_and_stays_executed(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        executed = await read(store, prompt)
        assert await store.claim([manual_for(store, executed)]) == ["claimed"]
        assert (await read(store, prompt)).status == "executed"
        assert len((await take(store)).leases) == 2


async def test_a_manual_run_with_an_id_that_exists_is_lost(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        item = manual_for(store, prompt)
        assert await store.claim([item, item]) == ["claimed", "lost"]


async def test_what_was_missed_before_the_occurrence_that_fires_is_one_span(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        missed_from = (prompt.next_nominal or 0) - 5 * HOUR
        assert await store.claim([claim_for(prompt, missed_from=missed_from)]) == ["claimed"]
        missed = Span("missed", store.clock.now(), missed_from, prompt.next_nominal, reason="late")
        assert await store.spans(prompt.id) == [missed]
        assert "missed" in [fields["type"] for _, fields in lab.keys()["events"]]


async def test_a_lost_claim_records_no_missed_span(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        assert await store.claim([claim_for(prompt, missed_from=0)]) == ["lost"]
        assert await store.spans(prompt.id) == []


async def test_each_item_of_a_batch_is_answered_for_itself(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        good, late, cancelled = await saved(store), await saved(store), await saved(store)
        await claimed(store, late)
        await store.cancel(cancelled.id)
        items = [claim_for(late), claim_for(good), claim_for(cancelled), manual_for(store, late)]
        assert await store.claim(items) == ["lost", "claimed", "lost", "claimed"]


async def test_a_claim_of_nothing_answers_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await store.claim([], op="empty") == []
        assert await store.claim([], op="empty") == []


async def test_five_hundred_are_claimed_taken_and_settled_in_one_call_each(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        items = [manual_for(store, prompt) for _ in range(500)]
        assert await store.claim(items) == ["claimed"] * 500
        leases = (await take(store)).leases
        assert len(leases) == 500
        assert await settle(store, [ending(store, lease) for lease in leases]) == ["settled"] * 500


async def test_the_next_occurrence_is_claimed_while_the_one_before_still_runs(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await claimed(store, prompt)
        first = (await taken(store)).fire.id
        second = await claimed(store, prompt)
        assert lab.keys()[f"live:{prompt.id}"] == {first, second}


async def test_a_claim_tells_live_daemons_of_the_next_occurrence_only_if_asked_to(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        listener = lab.inspector.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(store.keys.changes)
        quiet, loud = await saved(store), await saved(store)
        item = claim_for(loud)
        item["announce"] = True
        await store.claim([claim_for(quiet), item])
        heard = [message["data"] for _ in range(20) if (message := listener.get_message(timeout=0.01))]
        listener.close()
        assert len([text for text in heard if f'"{item["next_at"]}"' in text]) == 1


async def test_a_fire_waits_in_the_queue_of_its_platform_and_runner(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store, platform="chat", runner="echo")
        await queued(store, platform="chat", runner="log")
        keys = lab.keys()
        assert keys["queues"] == {"chat/echo", "chat/log"}
        assert len(keys["ready:chat/echo"]) == len(keys["ready:chat/log"]) == 1


async def test_a_prompt_that_has_ended_is_not_claimed_by_its_schedule_even_as_it_was_read_last(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        executed = await read(store, prompt)
        late = executed.model_copy(update={"next_nominal": store.clock.now() + 1, "next_at": store.clock.now() + 1})
        item = claim_for(late)
        item["next_nominal"] = item["next_at"] = str(store.clock.now() + HOUR)
        assert await store.claim([item]) == ["lost"]
        assert (await read(store, prompt)) == executed


# One at a time


async def left_behind(store: Store, **fields: Any) -> tuple[ScheduledPrompt, ClaimItem]:
    """A prompt that catches up, whose next occurrence was due already when the one before was claimed; its claim."""
    prompt = await saved(store, next_at=store.clock.now() - 2 * HOUR, misfire="all", **fields)
    await claimed(store, prompt)
    item = claim_for(await read(store, prompt))
    item["in_turn"] = True
    return prompt, item


async def test_what_catches_up_waits_for_the_end_of_the_one_before_which_announces_it(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt, item = await left_behind(store)
        lease = await taken(store)
        before = await read(store, prompt)
        assert await store.claim([item]) == ["waits"]
        assert await read(store, prompt) == before
        messages = heard(lab)
        await settled(store, lease)
        assert [m for m in messages() if m["type"] == "armed"] == [
            {"type": "armed", "prompt": prompt.id, "platform": "default", "due": item["due"]}
        ]
        assert await store.claim([item]) == ["claimed"]


@pytest.mark.parametrize("status", ["queued", "running", "retrying"])
async def test_what_catches_up_waits_whatever_the_one_before_does(lab: Lab, status: str) -> None:
    async with lab:
        store = await lab.store()
        _, item = await left_behind(store)
        if status != "queued":
            lease = await taken(store)
            if status == "retrying":
                await settled(store, lease, "retrying", retry_at=store.clock.now() + 60_000)
        assert await store.claim([item]) == ["waits"]


async def test_what_catches_up_does_not_wait_for_a_manual_run(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() - 2 * HOUR, misfire="all")
        assert await store.claim([manual_for(store, prompt)]) == ["claimed"]
        item = claim_for(await read(store, prompt))
        item["in_turn"] = True
        assert await store.claim([item]) == ["claimed"]


async def test_what_is_on_time_does_not_wait_its_turn(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, misfire="all", overlap="allow")
        await claimed(store, prompt)
        await store.clock.sleep(HOUR / 1000 + 0.5)
        item = claim_for(await read(store, prompt))
        item["in_turn"] = True
        assert await store.claim([item]) == ["claimed"]
