"""A caller whose clock runs ahead of the server's is refused: it would fire what is not due."""

from __future__ import annotations

import pytest
import redis.exceptions as redis_errors

from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from tests.conftest import Lab
from tests.store.steps import EVERYTHING, LEASE, claim_for, new_prompt, queued, read_fire, saved, settled, take, taken

pytestmark = pytest.mark.real_time


async def real_store(lab: Lab) -> Store:
    return await lab.stack.enter_async_context(Store(connect(lab.url), namespace=lab.namespace))


def put_ahead(store: Store, ms: float) -> None:
    store.clock._offset_ms += ms


@pytest.mark.parametrize("name", ["create", "claim", "take", "extend", "settle", "reap", "cancel", "purge", "look"])
async def test_every_script_refuses_a_clock_that_is_more_than_a_second_ahead(lab: Lab, name: str) -> None:
    async with lab:
        store = await real_store(lab)
        prompt = await saved(store)
        new = new_prompt(store)
        calls = {
            "create": lambda: store.create(new),
            "claim": lambda: store.claim([claim_for(prompt)]),
            "take": lambda: take(store),
            "extend": lambda: store.extend([("fire", "token", None)], lease_ms=LEASE),
            "settle": lambda: store.settle([], keep=1),
            "reap": lambda: store.reap(leases=True, max_crashes=3),
            "cancel": lambda: store.cancel(prompt.id),
            "purge": lambda: store.purge([prompt], 1),
            "look": lambda: store.look(overdue=0, serves=EVERYTHING),
        }
        put_ahead(store, 3_000)
        before = lab.keys()
        with pytest.raises(StoreUnusable, match=r"clock disagrees .* ms ahead of the server's"):
            await calls[name]()
        assert lab.keys() == before


async def test_half_a_second_ahead_is_borne(lab: Lab) -> None:
    async with lab:
        store = await real_store(lab)
        put_ahead(store, 500)
        await saved(store)


async def test_a_clock_that_is_far_behind_is_borne(lab: Lab) -> None:
    async with lab:
        store = await real_store(lab)
        put_ahead(store, -86_400_000)
        await saved(store)


async def test_a_lease_counts_from_the_servers_time_where_the_callers_clock_is_behind(lab: Lab) -> None:
    """Who has just woken does not know how long it slept: its leases would be over at once, and its fires another's."""
    async with lab:
        store, awake = await real_store(lab), await real_store(lab)
        fire = await queued(store)
        put_ahead(store, -10 * LEASE)
        lease = await taken(store)
        assert await awake.reap(leases=True, max_crashes=3) == []
        assert await store.extend([(fire, lease.token, None)], lease_ms=LEASE) == ["ok"]
        assert await awake.reap(leases=True, max_crashes=3) == []


async def test_a_retry_waits_its_delay_where_the_callers_clock_is_behind(lab: Lab) -> None:
    """A runner that failed just as its daemon woke would be tried again at once."""
    async with lab:
        store, awake = await real_store(lab), await real_store(lab)
        fire = await queued(store)
        lease = await taken(store)
        put_ahead(store, -10 * LEASE)
        before = awake.clock.now()
        await settled(store, lease, "retrying", retry_at=store.clock.now() + 60_000, reason="failed")
        assert before + 60_000 - 100 <= (await read_fire(awake, fire)).retry_at <= awake.clock.now() + 60_000 + 100


async def test_what_is_too_late_does_not_run_because_a_clock_is_behind(lab: Lab) -> None:
    async with lab:
        store = await real_store(lab)
        item = claim_for(await saved(store))
        item["deadline"] = str(store.clock.now() - 1_000)
        assert await store.claim([item]) == ["claimed"]
        put_ahead(store, -LEASE)
        assert (await take(store)).leases == []
        assert (await read_fire(store, item["fire"])).reason == "late"


async def test_a_clock_that_was_measured_again_is_accepted_again(lab: Lab) -> None:
    async with lab:
        store = await real_store(lab)
        put_ahead(store, 60_000)
        await store.measure_clock()
        await saved(store)


async def test_a_clock_that_ran_ahead_is_refused_once_and_right_from_then_on(lab: Lab) -> None:
    async with lab:
        store = await real_store(lab)
        put_ahead(store, 60_000)
        with pytest.raises(StoreUnusable):
            await saved(store)
        await saved(store)


async def test_a_repetition_is_answered_whatever_the_clock_says_by_then(lab: Lab) -> None:
    async with lab:
        store = await real_store(lab)
        prompt = await saved(store)
        item = claim_for(prompt)
        await store.claim([item], op="op")
        put_ahead(store, 60_000)
        assert await store.claim([item], op="op") == ["claimed"]


async def test_a_line_that_breaks_while_the_clock_is_measured_does_not_keep_a_store_from_opening(lab: Lab) -> None:
    async with lab:
        connection = connect(lab.url)
        lab.stack.push_async_callback(connection.close)
        time, asked = connection.client.time, 0

        async def cut_off() -> object:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise redis_errors.ConnectionError("the line is dead")
            return await time()

        connection.client.time = cut_off  # type: ignore[method-assign]
        store = Store(connection, namespace=lab.namespace)
        await store.open()
        assert asked > 2
        assert abs(store.clock.now() - await store.transport.server_time()) < 1_000
