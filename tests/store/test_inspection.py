"""inspect and repair: what does not follow from the records is found, told in one sentence, and made to follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.store import Store
from scheduled_prompts.store.inspection import Inconsistency
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.testing import RecordingRunner
from tests.accounting import check_accounts
from tests.conftest import Lab
from tests.engine.scenes import scene
from tests.store.steps import (
    HOUR,
    LEASE,
    claimed,
    damage,
    edited,
    manual_for,
    paused,
    read,
    reap,
    retrying,
    running,
    saved,
    settled,
    skipping,
    take,
    taken,
)
from tests.whole_keys import Whole

NOBODY = "0" * 26


@dataclass
class Household:
    """A namespace with prompts and fires in every state: their ids by status."""

    lab: Lab
    store: Store
    prompts: dict[str, str]
    fires: dict[str, str]
    """That of `succeeded` is the active prompt's."""

    def key(self, name: str) -> str:
        return self.lab.prefix + name

    def prompt(self, status: str) -> str:
        return self.prompts[status]

    async def repair_all(self) -> list[Inconsistency]:
        found = await self.store.inspect()
        for one in found:
            assert await self.store.repair(one), one.message
        return found


PENDING = {
    "status": PromptStatus.PENDING_APPROVAL,
    "pending_since": 1_000,
    "pending_until": 4_000_000_000_000,
    "pending_why": "agent maid is to be approved",
}


_built: dict[str, tuple[dict[str, Whole], dict[str, str], dict[str, str]]] = {}


async def household(lab: Lab) -> Household:
    """Made once by a store of either kind; the others are copies."""
    kind = lab.url.partition(":")[0]
    if kind not in _built:
        home = await _made(lab)
        _built[kind] = (lab.whole(), home.prompts, home.fires)
        lab.clear()
    keys, prompts, fires = _built[kind]
    lab.write(keys)
    return Household(lab, await lab.store(seed=1), prompts, fires)


async def _made(lab: Lab) -> Household:
    store = await lab.store()
    prompts, fires = {}, {}
    lease = await retrying(store)
    prompts["retrying"], fires["retrying"] = lease.fire.prompt_id, lease.fire.id
    lease = await running(store, on_crash="interrupt")
    assert await store.extend([(lease.fire.id, lease.token, store.clock.now())], lease_ms=LEASE) == ["ok"]
    prompts["running"], fires["running"] = lease.fire.prompt_id, lease.fire.id

    active = await saved(store, platform="chat", owner="ann", agent="cook", key="daily")
    fires["succeeded"] = await claimed(store, active)
    await settled(store, await taken(store))
    edit = await edited(store, await read(store, active), text="say goodbye")
    await skipping(store, edit, (edit.next_nominal or 0) + HOUR)
    prompts["active"] = active.id

    prompts["scheduled"] = (await saved(store, once=True, owner="bob", next_at=store.clock.now() + HOUR)).id
    prompts["paused"] = (await paused(store, await saved(store, platform="mail", owner="ann", key="weekly"))).id
    prompts["pending"] = (await saved(store, agent="maid", owner="eve", **PENDING)).id
    executed = await saved(store, once=True, key="once")
    prompts["executed"] = executed.id
    await claimed(store, executed)
    await settled(store, await taken(store), "failed")
    cancelled = await saved(store, key="never")
    prompts["cancelled"] = cancelled.id
    await store.cancel(cancelled.id)

    set_aside = await saved(store, key="broken")
    lab.inspector.hset(store.keys.prompt(set_aside.id), "doc", "{")
    [unreadable] = await store.read_prompts([set_aside.id])
    assert isinstance(unreadable, Unreadable)
    assert await store.quarantine(unreadable, unreadable.error)
    prompts["quarantined"] = set_aside.id
    no_hash = await saved(store)
    damage(lab, f"prompt:{no_hash.id}")
    assert await store.quarantine(Unreadable(no_hash.id, "no hash", newer=False), "no hash")
    prompts["no hash"] = no_hash.id

    waiting = await saved(store, platform="chat", priority=80)
    prompts["queued"] = waiting.id
    manual = manual_for(store, waiting)
    assert await store.claim([manual]) == ["claimed"]
    fires["manual"] = manual["fire"]
    fires["queued"] = await claimed(store, waiting)
    lab.check_accounts()
    return Household(lab, store, prompts, fires)


async def test_nothing_is_found_where_prompts_and_fires_are_in_every_state(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        before = lab.keys()
        assert before == {name: key.value for name, key in _built[lab.url.partition(":")[0]][0].items()}
        heard: list[tuple[int, int]] = []
        assert await home.store.inspect(lambda done, total: heard.append((done, total))) == []
        assert lab.keys() == before
        assert heard[-1] == (len(home.prompts), len(home.prompts))
        assert {name.removeprefix("by:status:") for name in before if name.startswith("by:status:")} == set(
            PromptStatus
        )


async def test_nothing_is_found_in_an_empty_namespace(lab: Lab) -> None:
    async with lab:
        assert await (await lab.store()).inspect() == []


async def test_a_namespace_with_many_pages_is_read_to_the_end(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        prompts = [await saved(store, owner="ann") for _ in range(700)]
        assert await store.inspect() == []
        for prompt in prompts:
            lab.inspector.zrem(store.keys.due("default"), prompt.id)
        lab.inspector.zadd(store.keys.by("owner", "ann"), {f"{number:026}": 1 for number in range(700)})
        found = await store.inspect()
        assert Counter(one.kind for one in found) == {"not_due": 700, "index_without_prompt": 700}
        assert {one.what for one in found if one.kind == "not_due"} == {prompt.id for prompt in prompts}
        for one in found:
            assert await store.repair(one)
        assert await store.inspect() == []


def zadd(key: str, member: str, score: float = 1) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.zadd(home.key(named(home, key)), {named(home, member): score})


def zrem(key: str, member: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.zrem(home.key(named(home, key)), named(home, member))


def srem(key: str, member: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.srem(home.key(named(home, key)), named(home, member))


def sadd(key: str, member: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.sadd(home.key(named(home, key)), named(home, member))


def hset(key: str, field: str, value: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.hset(home.key(named(home, key)), named(home, field), value)


def hdel(key: str, field: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.hdel(home.key(named(home, key)), named(home, field))


def delete(key: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.delete(home.key(named(home, key)))


def write(key: str, value: str) -> Callable[[Household], Any]:
    return lambda home: home.lab.inspector.set(home.key(named(home, key)), named(home, value))


def mistype(key: str) -> Callable[[Household], Any]:
    return lambda home: damage(home.lab, named(home, key))


def named(home: Household, text: str) -> str:
    """`prompt:<active>` with the id of the prompt that is active, `@queued` for a fire's."""
    for status, prompt in home.prompts.items():
        text = text.replace(f"<{status}>", prompt)
    for status, fire in home.fires.items():
        text = text.replace(f"@{status}", fire)
    return text


# The damage, the kinds that it is found as, and what they are about.
DAMAGES: dict[str, tuple[Callable[[Household], Any], set[str], str]] = {
    "an armed prompt is in no due index": (zrem("due:chat", "<active>"), {"not_due"}, "<active>"),
    "an armed prompt is due at another time": (zadd("due:chat", "<active>", 5), {"not_due"}, "<active>"),
    "a prompt is due on another platform too": (zadd("due:default", "<active>"), {"wrong_index"}, "<active>"),
    "a platform is not looked at": (srem("platforms", "chat"), {"platform_unseen"}, "due:chat"),
    "a platform that is to be looked at again": (srem("platforms", "mail"), {"platform_unseen"}, "<paused>"),
    "a paused prompt is due": (zadd("due:default", "<paused>"), {"wrongly_due"}, "<paused>"),
    "a prompt that waits for approval is due": (zadd("due:default", "<pending>"), {"wrongly_due"}, "<pending>"),
    "nobody would cancel it where nobody approves it": (
        zrem("approvals", "<pending>"),
        {"not_in_approvals"},
        "<pending>",
    ),
    "it would be cancelled too soon": (zadd("approvals", "<pending>", 5), {"wrong_score"}, "<pending>"),
    "a prompt waits for approval that has it": (zadd("approvals", "<active>"), {"wrongly_in_approvals"}, "<active>"),
    "nobody waits for approval": (zadd("approvals", NOBODY), {"index_without_prompt"}, NOBODY),
    "what waits for approval is not counted": (srem("active:owner:eve", "<pending>"), {"not_counted"}, "<pending>"),
    "an approval that is waited for until nobody knows when": (
        hset("prompt:<pending>", "pending_until", "soon"),
        {"unreadable_prompt"},
        "<pending>",
    ),
    "an executed prompt is due": (zadd("due:default", "<executed>"), {"wrongly_due"}, "<executed>"),
    "a cancelled prompt is due": (zadd("due:default", "<cancelled>"), {"wrongly_due"}, "<cancelled>"),
    "a prompt that was set aside is due": (zadd("due:default", "<quarantined>"), {"wrongly_due"}, "<quarantined>"),
    "nobody is due": (zadd("due:default", NOBODY), {"due_without_prompt"}, NOBODY),
    "a prompt is listed under another status": (
        zadd("by:status:paused", "<active>"),
        {"wrong_status_index"},
        "<active>",
    ),
    "a prompt is listed under an unheard-of status": (
        zadd("by:status:lost", "<active>"),
        {"wrong_status_index"},
        "<active>",
    ),
    "a prompt is not under its status": (zrem("by:status:scheduled", "<scheduled>"), {"not_in_index"}, "<scheduled>"),
    "what was set aside is not listed": (zrem("by:status:quarantined", "<no hash>"), {"not_in_index"}, "<no hash>"),
    "a prompt is missing on its platform": (zrem("by:platform:chat", "<active>"), {"not_in_index"}, "<active>"),
    "a prompt is missing under its owner": (zrem("by:owner:ann", "<paused>"), {"not_in_index"}, "<paused>"),
    "a prompt is missing under its agent": (zrem("by:agent:cook", "<active>"), {"not_in_index"}, "<active>"),
    "a prompt is listed at another time": (zadd("by:owner:ann", "<active>", 7), {"wrong_score"}, "<active>"),
    "a prompt is on another platform": (zadd("by:platform:default", "<active>"), {"wrong_index"}, "<active>"),
    "a prompt has a stranger's owner": (zadd("by:owner:bob", "<active>"), {"wrong_index"}, "<active>"),
    "a prompt has an agent it never had": (zadd("by:agent:cook", "<paused>"), {"wrong_index"}, "<paused>"),
    "nobody is listed": (zadd("by:status:active", NOBODY), {"index_without_prompt"}, NOBODY),
    "nobody was set aside": (hset("quarantine", NOBODY, "{}"), {"index_without_prompt"}, NOBODY),
    "a live prompt was set aside": (hset("quarantine", "<active>", "{}"), {"wrongly_in_quarantine"}, "<active>"),
    "why it was set aside is lost": (hdel("quarantine", "<quarantined>"), {"not_in_quarantine"}, "<quarantined>"),
    "a key names nobody": (write("key::gone", NOBODY), {"key_of_nobody"}, "key::gone"),
    "a key names a living prompt that has another": (
        write("key:ann:gone", "<active>"),
        {"key_of_stranger"},
        "key:ann:gone",
    ),
    "a key names a living prompt that has none": (
        write("key::gone", "<scheduled>"),
        {"key_of_stranger"},
        "key::gone",
    ),
    "a key is lost": (delete("key:ann:daily"), {"key_lost"}, "<active>"),
    "a key names one that has ended": (write("key:ann:weekly", "<cancelled>"), {"key_lost"}, "<paused>"),
    "a ready fire is in no queue": (zrem("ready:chat/log", "@queued"), {"fire_in_no_index"}, "@queued"),
    "a queue is not looked at": (srem("queues", "chat/log"), {"queue_unseen"}, "ready:chat/log"),
    "a ready fire is retried too": (zadd("retries", "@queued"), {"fire_in_wrong_index"}, "@queued"),
    "a ready fire waits in two queues": (zadd("ready:default/log", "@queued"), {"fire_in_wrong_index"}, "@queued"),
    "a retry is in no index": (zrem("retries", "@retrying"), {"fire_in_no_index"}, "@retrying"),
    "a running fire has no lease": (zrem("leases", "@running"), {"fire_in_no_index"}, "@running"),
    "what has ended is ready": (zadd("ready:chat/log", "@succeeded"), {"fire_in_wrong_index"}, "@succeeded"),
    "what has ended is leased": (zadd("leases", "@succeeded"), {"fire_in_wrong_index"}, "@succeeded"),
    "a fire that is gone is ready": (
        zadd("ready:chat/log", f"{NOBODY}@1"),
        {"index_without_fire"},
        f"{NOBODY}@1",
    ),
    "a fire that is gone is leased": (zadd("leases", f"{NOBODY}@1"), {"index_without_fire"}, f"{NOBODY}@1"),
    "a fire that is gone is retried": (zadd("retries", f"{NOBODY}@1"), {"index_without_fire"}, f"{NOBODY}@1"),
    "a running fire does not live": (srem("live:<running>", "@running"), {"fire_not_live"}, "@running"),
    "what has ended lives": (sadd("live:<active>", "@succeeded"), {"ended_fire_live"}, "@succeeded"),
    "a fire that is gone lives": (sadd("live:<active>", "<active>@1"), {"live_without_fire"}, "<active>@1"),
    "another prompt's fire lives here": (sadd("live:<active>", "@running"), {"live_without_fire"}, "@running"),
    "a fire is in no history": (zrem("history:<active>", "@succeeded"), {"fire_in_no_history"}, "@succeeded"),
    "a manual fire is in no history": (zrem("history:<queued>", "@manual"), {"fire_in_no_history"}, "@manual"),
    "a fire stands elsewhere in it": (zadd("history:<active>", "@succeeded", 5), {"wrong_score"}, "@succeeded"),
    "a history has one that is gone": (zadd("history:<paused>", "<paused>@1"), {"history_without_fire"}, "<paused>@1"),
    "spans of nobody": (
        lambda home: home.lab.inspector.rpush(home.key(f"spans:{NOBODY}"), "{}"),
        {"orphan"},
        f"spans:{NOBODY}",
    ),
    "a history of nobody": (zadd(f"history:{NOBODY}", f"{NOBODY}@1"), {"orphan"}, f"history:{NOBODY}"),
    "a sum of nobody": (hset(f"spend:prompt:{NOBODY}", "spent", "5"), {"orphan"}, f"spend:prompt:{NOBODY}"),
    "more is reserved than fires hold": (hset("spend:all", "reserved", "5"), {"wrong_reserved"}, "spend:all"),
    "less is reserved today": (hset("spend:owner:ann", "day_reserved", "-5"), {"wrong_reserved"}, "spend:owner:ann"),
    "definitions of nobody": (hset(f"version:{NOBODY}", "1", "{}"), {"orphan"}, f"version:{NOBODY}"),
    "a fire of nobody": (hset(f"fire:{NOBODY}@1", "status", "failed"), {"orphan"}, f"fire:{NOBODY}@1"),
    "a fire that is no record": (write("fire:<paused>@1", "x"), {"unreadable_fire"}, "<paused>@1"),
    "a prompt that cannot be read": (hset("prompt:<scheduled>", "doc", "{"), {"unreadable_prompt"}, "<scheduled>"),
    "a prompt without a status": (hdel("prompt:<scheduled>", "status"), {"unreadable_prompt"}, "<scheduled>"),
    "a prompt of an unheard-of status": (
        hset("prompt:<scheduled>", "status", "lost"),
        {"unreadable_prompt"},
        "<scheduled>",
    ),
    "an armed prompt without a time": (hset("prompt:<scheduled>", "next_at", ""), {"unreadable_prompt"}, "<scheduled>"),
    "a prompt that is no hash": (mistype("prompt:<scheduled>"), {"unreadable_prompt"}, "<scheduled>"),
}  # fmt: skip


@pytest.mark.unaccounted
@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_found_and_repaired(lab: Lab, name: str) -> None:
    do_damage, kinds, what = DAMAGES[name]
    async with lab:
        home = await household(lab)
        before = lab.keys()
        do_damage(home)
        damaged = lab.keys()
        assert damaged != before
        found = await home.store.inspect()
        assert lab.keys() == damaged
        assert {one.kind for one in found} == kinds
        assert [one.what for one in found] == [named(home, what)]
        for one in found:
            assert "{" not in one.message
            assert "\n" not in one.message
            assert named(home, what) in one.message
            assert await home.store.repair(one)
        lab.check_accounts()
        assert await home.store.inspect() == []


TYPES = ["due:chat", "by:status:active", "by:owner:ann", "ready:chat/log", "leases", "retries", "platforms", "queues",
         "live:<queued>", "history:<active>", "spans:<active>", "version:<active>", "key:ann:daily", "quarantine",
         "events", "daemons"]  # fmt: skip


@pytest.mark.unaccounted
@pytest.mark.parametrize("key", TYPES)
async def test_a_key_of_the_wrong_type_is_made_anew_from_the_records(lab: Lab, key: str) -> None:
    async with lab:
        home = await household(lab)
        name = named(home, key)
        lab.inspector.delete(home.key(name))
        if key.startswith("key:"):
            lab.inspector.sadd(home.key(name), "x")
        else:
            lab.inspector.set(home.key(name), "x")
        found = await home.repair_all()
        assert (found[0].kind, found[0].what) == ("wrong_type", name)
        await home.repair_all()  # what belongs in it
        assert await home.store.inspect() == []
        lab.check_accounts()


@pytest.mark.unaccounted
@pytest.mark.parametrize("status", ["active", "queued", "retrying", "running"])
async def test_of_a_prompt_that_is_gone_nothing_is_left(lab: Lab, status: str) -> None:
    async with lab:
        home = await household(lab)
        lab.inspector.delete(home.key(f"prompt:{home.prompt(status)}"))
        await home.repair_all()
        if status == "running":  # its fire ends first
            assert await reap(home.store) == []
            await home.store.clock.sleep(LEASE / 1000)
            assert (home.fires["running"], "interrupted") in await reap(home.store)
            assert {one.kind for one in await home.repair_all()} == {"orphan"}
        assert await home.store.inspect() == []
        lab.check_accounts()
        assert not [name for name in lab.keys() if home.prompt(status) in name]


@pytest.mark.unaccounted
async def test_all_indexes_are_made_anew_from_the_records(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        before = lab.keys()
        kept = ("prompt:", "fire:", "spans:", "version:", "op:", "ended:", "meta", "events")
        for name in before:
            if not name.startswith(kept):
                lab.inspector.delete(home.key(name))
        await home.repair_all()
        assert await home.store.inspect() == []
        after = lab.keys()
        check_accounts(after)
        for name, value in before.items():
            if name.startswith(("due:", "ready:", "live:", "history:", "retries", "by:agent", "platforms")):
                assert after[name] == value, name


@pytest.mark.unaccounted
async def test_a_fire_that_is_put_back_is_taken_and_ends(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        ready = lab.keys()["ready:chat/log"]
        for index, status in {"ready:chat/log": "queued", "retries": "retrying", "leases": "running"}.items():
            lab.inspector.zrem(home.key(index), home.fires[status])
        assert {one.kind for one in await home.repair_all()} == {"fire_in_no_index"}
        assert lab.keys()["ready:chat/log"] == ready
        assert await reap(home.store) == []  # a daemon that runs it has time to renew its lease
        await home.store.clock.sleep(600)
        assert dict(await reap(home.store)) == {
            home.fires["running"]: "interrupted",
            home.fires["retrying"]: "retried",
        }
        leased = {lease.fire.id for lease in (await take(home.store)).leases}
        assert leased == {home.fires["queued"], home.fires["manual"], home.fires["retrying"]}


@pytest.mark.unaccounted
async def test_a_repair_changes_nothing_once_the_damage_is_gone(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        zrem("due:chat", "<active>")(home)
        zadd("by:status:paused", "<active>")(home)
        found = await home.store.inspect()
        assert len(found) == 2
        await paused(home.store, await read(home.store, await read_active(home)))
        before = lab.keys()
        assert [await home.store.repair(one) for one in found] == [True, True]
        assert "due:chat" not in lab.keys() or home.prompt("active") not in dict(lab.keys()["due:chat"])
        assert {k: v for k, v in lab.keys().items() if not k.startswith("op:")} == {
            k: v for k, v in before.items() if not k.startswith("op:")
        }
        assert await home.store.inspect() == []


async def read_active(home: Household) -> Any:
    [prompt] = await home.store.read_prompts([home.prompt("active")])
    return prompt


@pytest.mark.unaccounted
async def test_a_repetition_of_a_repair_gives_the_first_answer(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        zrem("due:chat", "<active>")(home)
        [one] = await home.store.inspect()
        assert await home.store.repair(one, op="again")
        zrem("due:chat", "<active>")(home)
        assert await home.store.repair(one, op="again")
        assert await home.store.inspect() == [one]
        assert await home.store.repair(one)
        lab.check_accounts()


@pytest.mark.unaccounted
@pytest.mark.parametrize(
    ("do_damage", "kind"),
    [
        (write("of a newer release", "x"), "unknown_key"),
        (write("novelty:1", "x"), "unknown_key"),
        (hset("fire:@running", "status", "dreaming"), "unreadable_fire"),
        (hset("fire:@running", "nominal", "soon"), "unreadable_fire"),
    ],
)
async def test_what_nobody_can_derive_is_told_and_left_alone(
    lab: Lab, do_damage: Callable[[Household], Any], kind: str
) -> None:
    async with lab:
        home = await household(lab)
        do_damage(home)
        before = {k: v for k, v in lab.keys().items() if not k.startswith("op:")}
        [one] = await home.store.inspect()
        assert one.kind == kind
        assert not await home.store.repair(one)
        assert {k: v for k, v in lab.keys().items() if not k.startswith("op:")} == before


@pytest.mark.unaccounted
async def test_a_prompt_that_a_newer_release_wrote_is_left_alone(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        newer = {"doc": '{"schema":2,"platform":["a","b"]}', "status": "dreaming", "next_at": "tomorrow"}
        for status in ("active", "scheduled", "paused"):
            lab.inspector.hset(home.key(f"prompt:{home.prompt(status)}"), mapping=newer)
        assert await home.store.inspect() == []


@pytest.mark.unaccounted
async def test_two_living_prompts_with_one_key_are_told_and_left_alone(lab: Lab) -> None:
    async with lab:
        home = await household(lab)
        doc = lab.inspector.hget(home.key(f"prompt:{home.prompt('active')}"), "doc")
        twin = await saved(home.store, platform="chat", owner="ann", agent="cook")
        lab.inspector.hset(home.store.keys.prompt(twin.id), "doc", doc)
        [one] = await home.store.inspect()
        assert (one.kind, one.what) == ("key_of_two", twin.id)
        assert home.prompt("active") in one.message
        assert not await home.store.repair(one)
        await home.store.cancel(twin.id)
        assert await home.store.inspect() == []


async def test_nothing_is_found_while_a_daemon_fires_100_prompts(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, RecordingRunner(), watch_period=0.25)
        now = s.store.clock.now()
        for number in range(100):
            await saved(s.store, once=number % 2 == 0, next_at=now + 10 * number, owner=f"owner{number % 7}")
        looks = 0
        while len(s.runner.fires) < 100:
            assert await s.store.inspect() == []
            looks += 1
            await s.sleep(0.05)
        assert looks > 5
        await s.sleep(1)
        assert await s.store.inspect() == []
