"""A store that answers and cannot be used says why, and a refusal in the middle leaves nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.store.records import Cancelled
from tests.conftest import Lab
from tests.store.conftest import RealLab
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    claim_for,
    claimed,
    edit_of,
    ending,
    new_prompt,
    paused,
    pending,
    queued,
    read_fire,
    running,
    saved,
    settle,
    take,
    taken,
)

pytestmark = pytest.mark.real_time

User = Callable[..., str]


@pytest.fixture
def user(own_lab: RealLab) -> Iterator[User]:
    """Makes a user with the given rights; answers with the URL for it."""

    def make(*rules: str) -> str:
        own_lab.inspector.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">secret", *rules)
        return f"unix://bob@{own_lab.socket}?password=secret"

    yield make
    own_lab.inspector.execute_command("ACL", "DELUSER", "bob")


@contextmanager
def full_memory(lab: RealLab) -> Iterator[None]:
    lab.inspector.config_set("maxmemory", 1)
    try:
        yield
    finally:
        lab.inspector.config_set("maxmemory", 0)


async def test_where_memory_is_full_every_write_is_refused_whole_and_works_again_later(own_lab: RealLab) -> None:
    async with own_lab:
        store = await own_lab.reach()
        await queued(store)
        lease = await taken(store)
        prompt = await saved(store)
        await claimed(store, prompt)
        new = new_prompt(store)
        before = own_lab.keys()
        with full_memory(own_lab):
            for call in (
                store.create(new),
                store.claim([claim_for(await _read(store, prompt))]),
                take(store),
                settle(store, [ending(store, lease)]),
            ):
                with pytest.raises(StoreUnusable, match=r"out of memory \(maxmemory\)"):
                    await call
            assert own_lab.keys() == before
        assert await settle(store, [ending(store, lease)]) == ["settled"]
        assert len((await take(store)).leases) == 1


async def test_where_memory_is_full_no_change_is_made_by_half_and_nothing_is_set_aside(own_lab: RealLab) -> None:
    async with own_lab:
        store = await own_lab.reach()
        prompt = await saved(store)
        await claimed(store, prompt)
        asleep, waiting = await paused(store, await saved(store)), await pending(store)
        now, later = await _read(store, prompt), store.clock.now() + 3 * HOUR
        before = own_lab.keys()
        with full_memory(own_lab):
            for call in (
                store.edit(edit_of(now, text="x", platform="mail")),
                store.edit(edit_of(now, next_at=later)),
                store.pause(prompt.id, reason="requested"),
                store.resume(asleep, "active", later, later),
                store.skip("skip", now, later, [later]),
                store.edit({**edit_of(now, text="x"), "approval": {"until": "9000000000000", "why": "so"}}),
                store.approve(waiting, "active", later, later),
                store.reject(waiting.id),
                store.quarantine(now, "broken"),
                store.claim([claim_for(now)]),
            ):
                with pytest.raises(StoreUnusable, match=r"out of memory \(maxmemory\)"):
                    await call
            assert own_lab.keys() == before
        assert await store.edit(edit_of(now, next_at=later)) == 2


async def test_a_user_who_may_not_write_sets_nothing_aside(own_lab: RealLab, user: User) -> None:
    async with own_lab:
        store = await own_lab.reach()
        prompt = await saved(store)
        reader = await own_lab.reach(user("~*", "&*", "+@all", "-hset"), patience=0.2)
        before = own_lab.keys()
        with pytest.raises(StoreUnusable, match="ACL"):
            await reader.claim([claim_for(prompt)])
        assert own_lab.keys() == before


async def test_where_memory_is_full_a_prompt_is_cancelled_whole_or_not_at_all(own_lab: RealLab) -> None:
    async with own_lab:
        store = await own_lab.reach()
        prompt = await saved(store)
        await claimed(store, prompt)
        before = own_lab.keys()
        with full_memory(own_lab), pytest.raises(StoreUnusable):
            await store.cancel(prompt.id)
        assert own_lab.keys() == before
        assert await store.cancel(prompt.id) == Cancelled("active", 1, 0)


async def test_where_memory_is_full_an_expired_lease_is_reaped_whole_or_not_at_all(own_lab: RealLab) -> None:
    async with own_lab:
        store = await own_lab.reach()
        fire = await queued(store)
        await store.take(1, lease_ms=-1, daemon="d", serves=EVERYTHING)
        with full_memory(own_lab):
            try:
                await store.reap(leases=True, max_crashes=3)
            except StoreUnusable:
                assert (await read_fire(store, fire)).status == "running"
            else:
                assert (await read_fire(store, fire)).status == "queued"
        await store.reap(leases=True, max_crashes=3)
        assert (await read_fire(store, fire)).crashes == 1


async def test_a_user_who_may_not_publish_can_do_everything_else(own_lab: RealLab, user: User) -> None:
    async with own_lab:
        store = await own_lab.reach(connect(user("+@all", "allkeys", "resetchannels")))
        prompt = await saved(store)
        item = claim_for(prompt)
        item["announce"] = True
        assert await store.claim([item]) == ["claimed"]
        lease = await taken(store)
        assert await settle(store, [ending(store, lease, "queued")]) == ["settled"]
        assert await store.cancel(prompt.id) == Cancelled("active", 1, 0)
        assert await store.claim([item]) == ["lost"]


async def test_a_user_who_may_not_use_the_command_publish_can_do_everything_else(own_lab: RealLab, user: User) -> None:
    async with own_lab:
        store = await own_lab.reach(connect(user("+@all", "allkeys", "allchannels", "-publish")))
        prompt = await saved(store)
        await claimed(store, prompt)
        assert await store.cancel(prompt.id) == Cancelled("active", 1, 0)


async def test_a_user_who_may_not_ask_for_the_servers_info_can_do_everything_else(own_lab: RealLab, user: User) -> None:
    async with own_lab:
        store = await own_lab.reach(connect(user("+@all", "allkeys", "allchannels", "-info")))
        await saved(store)
        assert await store.server_run() == ""


async def test_a_user_without_rights_to_the_keys_is_told_so(own_lab: RealLab, user: User) -> None:
    async with own_lab:
        with pytest.raises(StoreUnusable, match=r"the user may not do this \(ACL\)"):
            await own_lab.reach(connect(user("+@all", "~other:*", "allchannels")))


@pytest.mark.parametrize("right", ["-evalsha", "-time"])
async def test_a_user_without_rights_to_a_command_is_told_so_and_nothing_is_half_done(
    own_lab: RealLab, user: User, right: str
) -> None:
    async with own_lab:
        await own_lab.reach()
        url = user("+@all", "allkeys", "allchannels")
        store = await own_lab.reach(connect(url))
        user("+@all", "allkeys", "allchannels", right)
        with pytest.raises(StoreUnusable, match=r"the user may not do this \(ACL\)"):
            await saved(store)
        own_lab.clear()


async def test_a_wrong_password_is_said_and_not_shown(own_lab: RealLab, user: User) -> None:
    user("+@all", "allkeys", "allchannels")
    with pytest.raises(StoreUnusable, match="refused the user name or password") as caught:
        await Store(connect(f"unix://bob@{own_lab.socket}?password=hunter2")).open()
    assert "hunter2" not in str(caught.value)


async def test_a_missing_password_is_said(own_lab: RealLab) -> None:
    own_lab.inspector.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
    try:
        with pytest.raises(StoreUnusable, match="password: Authentication required"):
            await Store(connect(own_lab.url)).open()
    finally:
        own_lab.inspector.execute_command("ACL", "SETUSER", "default", "nopass")


async def test_no_password_is_shown_in_a_description() -> None:
    for url in ("redis://ann:hunter2@nowhere:1/0", "unix:///nowhere/s?password=hunter2&db=0"):
        store = Store(connect(url))
        assert "hunter2" not in store.description
        await store.close()


class OlderServer:
    """A client whose server says that it is another version."""

    def __init__(self, version: str) -> None:
        self.version = version

    async def server_info(self) -> dict[str, Any]:
        return {"redis_version": self.version}


@pytest.mark.parametrize("version", ["6.0.20", "5.0.14", "2.8.0"])
async def test_an_older_server_is_refused_with_the_oldest_that_works(
    real_lab: RealLab, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(Store, "server_info", OlderServer(version).server_info)
    async with real_lab:
        with pytest.raises(StoreUnusable, match=f"is Redis {version}") as caught:
            await real_lab.reach()
        assert caught.value.hint == "Redis 6.2 or Valkey 7.2 is the oldest that works"


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "10.0.1", "8.0-rc1", "", "unknown"])
async def test_a_server_that_is_new_enough_or_does_not_say_is_accepted(
    real_lab: RealLab, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(Store, "server_info", OlderServer(version).server_info)
    async with real_lab:
        await real_lab.reach()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("schema", "2", r"was written by a newer release \(schema 2; this one knows 1\)"),
        ("shards", "4", "has 4 shards; this release supports 1"),
        ("virtual", "1", "was made for virtual time"),
    ],
)
async def test_a_namespace_that_this_release_cannot_keep_is_refused_and_left_alone(
    lab: Lab, field: str, value: str, words: str
) -> None:
    async with lab:
        async with Store(connect(lab.url), namespace=lab.namespace):
            pass
        lab.inspector.hset(lab.prefix + "meta", field, value)
        before = lab.keys()
        with pytest.raises(StoreUnusable, match=words):
            await Store(connect(lab.url), namespace=lab.namespace).open()
        assert lab.keys() == before


async def _read(store: Store, prompt: Any) -> Any:
    [found] = await store.read_prompts([prompt.id])
    return found


async def test_a_running_fire_outlives_a_store_that_was_closed_in_between(lab: Lab) -> None:
    async with lab:
        async with Store(connect(lab.url), namespace=lab.namespace) as first:
            lease = await running(first)
        async with Store(connect(lab.url), namespace=lab.namespace) as second:
            assert await settle(second, [ending(second, lease)]) == ["settled"]
