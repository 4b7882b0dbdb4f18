"""edit: a prompt gets another definition; with another schedule it begins anew."""

from __future__ import annotations

import json

import pytest

from scheduled_prompts.schedule import Once
from scheduled_prompts.store.records import Refused
from tests.conftest import Lab
from tests.store.steps import (
    HOUR,
    claim_for,
    claimed,
    damage,
    edit_of,
    edited,
    heard,
    manual_for,
    new_prompt,
    paused,
    read,
    read_fire,
    resumed,
    saved,
    settled,
    skipping,
    take,
    taken,
)


async def test_an_edit_of_the_text_leaves_what_is_next_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.clock.sleep(1)
        after = await edited(store, prompt, text="say goodbye")
        assert (after.text, after.version, after.updated_at) == ("say goodbye", 2, store.clock.now())
        assert (after.seq, after.next_at, after.status) == (prompt.seq, prompt.next_at, prompt.status)


async def test_an_edit_of_the_schedule_moves_what_is_next(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        later = store.clock.now() + HOUR
        after = await edited(store, prompt, next_at=later)
        assert (after.next_nominal, after.next_at, after.version, after.seq) == (later, later, 2, 1)
        assert lab.keys()["due:default"] == [(prompt.id, float(later))]


async def test_a_one_shot_becomes_recurring_and_is_listed_so(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        once, recurring = await saved(store, once=True), await saved(store)
        item = edit_of(once, next_at=store.clock.now() + HOUR) | {"status": "active", "doc": recurring.document()}
        assert await store.edit(item) == 2  # type: ignore[arg-type]
        assert {prompt for prompt, _ in lab.keys()["by:status:active"]} == {once.id, recurring.id}


async def test_an_executed_one_shot_lives_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        first = await claimed(store, prompt)
        await settled(store, await taken(store))
        later = store.clock.now() + HOUR
        after = await edited(store, prompt, next_at=later)
        assert (after.status, after.next_at, after.ended_at) == ("scheduled", later, None)
        second = await claimed(store, after)
        assert second != first
        assert (await read(store, prompt)).status == "executed"


async def test_an_executed_prompt_stays_executed_when_only_its_text_is_edited(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, once=True)
        await claimed(store, prompt)
        after = await edited(store, prompt, text="more")
        assert (after.status, after.next_at, after.text) == ("executed", None, "more")


async def test_a_paused_prompt_stays_paused_with_what_its_new_schedule_names(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await paused(store, await saved(store))
        later = store.clock.now() + 2 * HOUR
        after = await edited(store, prompt, next_at=later)
        assert (after.status, after.next_at) == ("paused", later)
        assert "due:default" not in set(lab.keys())


async def test_an_edit_by_a_stale_version_is_refused_and_changes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await edited(store, prompt, text="first")
        before = lab.keys()
        assert await store.edit(edit_of(prompt, text="second")) == Refused("active", "2")
        assert lab.keys() == before


async def test_a_claim_does_not_make_an_edit_stale(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        item = edit_of(prompt, text="edited")
        await claimed(store, prompt)
        assert await store.edit(item) == 2
        assert (await read(store, prompt)).next_at == (prompt.next_at or 0) + HOUR


@pytest.mark.parametrize("changes", [{"text": "x"}, {"next_at": 1_800_000_000_000}])
async def test_a_cancelled_prompt_is_not_edited(lab: Lab, changes: dict[str, object]) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await store.cancel(prompt.id)
        now = await read(store, prompt)
        before = lab.keys()
        assert await store.edit(edit_of(now, **changes)) == Refused("cancelled", "2")
        assert lab.keys() == before


async def test_what_is_gone_is_not_edited(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        before = lab.keys()
        assert await store.edit(edit_of(new_prompt(store), text="x")) == Refused("gone")
        assert lab.keys() == before


@pytest.mark.parametrize("by", [-HOUR, 0])
async def test_what_is_next_never_moves_back_to_or_before_what_was_claimed(lab: Lab, by: int) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        await claimed(store, prompt)  # ahead of its time
        before = lab.keys()
        item = edit_of(await read(store, prompt), next_at=(prompt.next_at or 0) + by)
        assert await store.edit(item) == "moved"
        assert lab.keys() == before


async def test_a_claim_on_old_reads_is_lost_after_an_edit(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        claim = claim_for(prompt)
        await edited(store, prompt, text="edited")
        assert await store.claim([claim]) == ["lost"]
        fire = await claimed(store, prompt)
        assert (await read_fire(store, fire)).version == 2


async def test_what_was_claimed_ahead_by_the_old_schedule_is_taken_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        fire = await claimed(store, prompt)
        await edited(store, prompt, next_at=store.clock.now() + 3 * HOUR)
        after = await read_fire(store, fire)
        assert (after.status, after.reason) == ("skipped", "edited")
        assert (await take(store)).leases == []


async def test_what_is_in_hand_ahead_of_its_time_is_asked_to_stop_and_ends_skipped(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        await claimed(store, prompt)
        lease = await taken(store)
        announced = heard(lab)
        await edited(store, prompt, next_at=store.clock.now() + 3 * HOUR)
        assert {"type": "stop", "fire": lease.fire.id, "take_back": True} in announced()
        await settled(store, lease, "cancelled")
        after = await read_fire(store, lease.fire.id)
        assert (after.status, after.reason) == ("skipped", "edited")


async def test_what_waits_and_is_due_already_fires_all_the_same(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        fire = await claimed(store, prompt)
        await store.claim([manual_for(store, prompt)])
        await edited(store, prompt, next_at=store.clock.now() + 3 * HOUR)
        assert fire in {lease.fire.id for lease in (await take(store)).leases}
        assert lab.keys()[f"live:{prompt.id}"] >= {fire}


async def test_an_edit_of_the_text_takes_nothing_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + 2_000)
        fire = await claimed(store, prompt)
        await edited(store, prompt, text="edited")
        assert (await taken(store)).fire.id == fire


async def test_a_prompt_that_moves_to_another_platform_is_listed_and_due_there_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat", agent="bot")
        await edited(store, prompt, platform="mail", agent=None)
        keys = lab.keys()
        assert {name for name in keys if name.startswith(("due:", "by:platform", "by:agent"))} == {
            "due:mail",
            "by:platform:mail",
        }
        assert keys["platforms"] == {"chat", "mail"}


async def test_a_platform_is_looked_at_though_a_prompt_moved_there_while_it_was_paused(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await paused(store, await saved(store, platform="chat"))
        await edited(store, prompt, platform="mail")
        await resumed(store, prompt, next_at=store.clock.now() + HOUR)
        assert await store.platforms() == ["chat", "mail"]
        assert lab.keys()["due:mail"] == [(prompt.id, float(store.clock.now() + HOUR))]


async def test_a_cancellation_and_a_purge_on_old_reads_leave_nothing_behind_on_either_platform(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat", agent="bot", owner="ann", key="k")
        await edited(store, prompt, platform="mail", agent="clerk")
        await store.cancel(prompt.id)
        stale = prompt.model_copy(update={"status": "cancelled"})
        assert (await store.purge([stale], store.clock.now() + 1)).prompts == 0
        assert (await store.purge([await read(store, prompt)], store.clock.now() + 1)).prompts == 1
        assert not [name for name in lab.keys() if name.startswith(("by:", "due:", "key:", "prompt:", "version:"))]


async def test_skips_end_with_the_schedule_that_they_belong_to(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        await skipping(store, prompt, (prompt.next_at or 0) + HOUR)
        assert (await edited(store, prompt, text="x")).skips != ()
        assert (await edited(store, prompt, next_at=store.clock.now() + 5)).skips == ()


async def test_a_prompt_whose_key_another_living_one_has_by_now_does_not_come_back(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        old = await saved(store, once=True, key="daily", owner="ann")
        await claimed(store, old)
        new = await saved(store, once=True, key="daily", owner="ann")
        before = lab.keys()
        item = edit_of(await read(store, old), next_at=store.clock.now() + HOUR)
        assert await store.edit(item) == new.id
        assert lab.keys() == before
        assert (await edited(store, old, text="its text may change")).status == "executed"


async def test_a_prompt_that_comes_back_has_its_key_again(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        old = await saved(store, once=True, key="daily")
        await claimed(store, old)
        new = await saved(store, once=True, key="daily")
        await store.cancel(new.id)
        await edited(store, old, next_at=store.clock.now() + HOUR)
        assert await store.holder_of(None, "daily") == old.id
        assert await store.create(new_prompt(store, key="daily")) == old.id


async def test_the_account_tells_of_an_edit(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, next_at=store.clock.now() + HOUR)
        await edited(store, prompt, text="edited")
        await edited(store, prompt, next_at=store.clock.now() + 2 * HOUR)
        text, schedule = await store.spans(prompt.id)
        assert (text.kind, text.changed, text.start, text.end) == ("edited", ("text",), None, None)
        assert (schedule.start, schedule.end) == (prompt.next_at, store.clock.now() + 2 * HOUR)
        assert [f["type"] for _, f in lab.keys()["events"]] == ["created", "edited", "edited"]


async def test_live_daemons_are_told_when_it_is_due_now(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        due = store.clock.now() + HOUR
        announced = heard(lab)
        await edited(store, prompt, platform="mail", next_at=due)
        assert announced() == [{"type": "armed", "prompt": prompt.id, "platform": "mail", "due": str(due)}]


async def test_a_refused_edit_of_a_key_that_is_no_record_deletes_nothing(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        damage(lab, f"prompt:{prompt.id}")
        item = edit_of(prompt, next_at=store.clock.now() + HOUR)
        assert await store.edit(item) == Refused("quarantined")
        assert await store.edit(item | {"version": "", "next_at": "", "next_nominal": ""}) == Refused("quarantined")  # type: ignore[arg-type]
        assert lab.keys()[f"prompt:{prompt.id}"] == "not what it should be"
        assert await store.edit(item | {"version": ""}) == 1


async def test_a_key_that_is_no_record_and_was_not_set_aside_yet_is_repaired(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store, platform="chat")
        damage(lab, f"prompt:{prompt.id}")
        once = new_prompt(store, once=True)
        item = edit_of(prompt, next_at=store.clock.now() + HOUR) | {"version": "", "status": "scheduled"}
        item |= {"doc": once.document(), "platform": "default", "before": {"platform": "default", "agent": ""}}
        assert await store.edit(item) == 1
        after = await read(store, prompt)
        assert (after.status, after.schedule, after.platform) == ("scheduled", once.schedule, "default")
        assert isinstance(after.schedule, Once)


@pytest.mark.parametrize("index", ["history", "live", "spans", "version"])
async def test_a_repaired_prompt_drops_what_is_no_index_of_its_own(lab: Lab, index: str) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        damage(lab, f"{index}:{prompt.id}")
        assert await store.quarantine(prompt, "broken")
        await edited(store, prompt, next_at=store.clock.now() + 5)
        await claimed(store, prompt)
        await settled(store, await taken(store))
        assert (await edited(store, prompt, text="again")).version == 3


async def test_an_edit_takes_up_what_a_newer_release_added(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompt = await saved(store)
        lab.inspector.hset(store.keys.prompt(prompt.id), "mood", "merry")
        await edited(store, prompt, text="x")
        stored = lab.keys()[f"prompt:{prompt.id}"]
        assert stored["mood"] == "merry"
        assert json.loads(stored["doc"])["text"] == "x"
