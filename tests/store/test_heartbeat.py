"""heartbeat: who lives, and what they say of themselves."""

from __future__ import annotations

from scheduled_prompts.store.transitions import DAEMON_ALIVE_MS
from tests.conftest import Lab


async def test_daemons_that_live_hear_of_each_other_in_one_order(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await store.heartbeat("b", '{"n":1}') == [("b", '{"n":1}')]
        assert await store.heartbeat("a", "{}") == [("a", "{}"), ("b", '{"n":1}')]


async def test_a_daemon_that_says_nothing_for_long_is_forgotten(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await store.heartbeat("a", "{}")
        await store.clock.sleep((DAEMON_ALIVE_MS - 1) / 1000)
        assert await store.heartbeat("", "") == [("a", "{}")]
        await store.clock.sleep(0.001)
        assert await store.heartbeat("", "") == []
        assert not {"daemons", "daemon_info"} & set(lab.keys())


async def test_a_daemon_that_goes_on_lives_and_its_latest_words_count(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for number in range(4):
            await store.heartbeat("a", str(number))
            await store.clock.sleep(10)
        assert await store.heartbeat("", "") == [("a", "3")]


async def test_a_daemon_that_leaves_is_gone_at_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await store.heartbeat("a", "{}")
        await store.heartbeat("b", "{}")
        assert await store.heartbeat("a", "") == [("b", "{}")]
        assert await store.heartbeat("a", "") == [("b", "{}")]


async def test_who_only_asks_is_no_daemon(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await store.heartbeat("", "") == []
        assert "daemons" not in set(lab.keys())
