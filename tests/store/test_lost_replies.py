"""The connection breaks between command and reply: the caller gets the right answer, and the effect took place once.

In real time, on a real server, behind a proxy that breaks the connection of a chosen script: once it has been carried
out, or before the server heard of it.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from scheduled_prompts.store.records import Cancelled, Purged
from scheduled_prompts.store.transport import heedful
from tests.conftest import RealServer
from tests.store.conftest import RealLab
from tests.store.cutting_proxy import (
    CuttingProxy,
    Misfortune,
    answer_late,
    answer_with,
    lose_the_command,
    lose_the_reply,
)
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    LEASE,
    claim_for,
    claimed,
    edit_of,
    ending,
    manual_for,
    new_prompt,
    pending,
    queued,
    read,
    read_fire,
    running,
    saved,
    settle,
    settled,
    take,
    taken,
)

pytestmark = pytest.mark.real_time

cuts = pytest.mark.parametrize("cut", [lose_the_reply, lose_the_command])


class Line:
    """A store that speaks through a proxy."""

    def __init__(self, lab: RealLab, proxy: CuttingProxy, store: Store) -> None:
        self.lab, self.proxy, self.store = lab, proxy, store

    def next(self, *misfortunes: Misfortune) -> None:
        self.proxy.misfortunes.extend(misfortunes)

    def events(self) -> list[str]:
        return [fields["type"] for _, fields in self.lab.keys()["events"]]


async def line(lab: RealLab, *, timeout: float = 5.0, patience: float = 5.0) -> Line:
    proxy = await lab.stack.enter_async_context(CuttingProxy(lab.socket))
    connection = connect(proxy.url)
    connection.client.connection_pool.connection_kwargs["socket_timeout"] = timeout
    return Line(lab, proxy, await lab.reach(connection, patience=patience))


@cuts
async def test_a_prompt_is_created_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = new_prompt(wire.store, key="daily")
        wire.next(cut)
        assert await wire.store.create(prompt) is None
        assert wire.proxy.scripts_seen == 2
        assert wire.events() == ["created"]


@cuts
async def test_a_prompt_is_retimed_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        wire.next(cut)
        assert await wire.store.retime(prompt, (prompt.next_at or 0) + HOUR, (prompt.next_at or 0) + HOUR)
        assert (await read(wire.store, prompt)).seq == 1


@cuts
async def test_an_occurrence_is_claimed_once_and_its_claimer_hears_that_it_won(
    real_lab: RealLab, cut: Misfortune
) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        items = [claim_for(prompt, missed_from=0), manual_for(wire.store, prompt)]
        wire.next(cut)
        assert await wire.store.claim(items) == ["claimed", "claimed"]
        assert (await read(wire.store, prompt)).seq == 1
        assert len(await wire.store.spans(prompt.id)) == 1
        assert len((await take(wire.store)).leases) == 2


@cuts
async def test_fires_are_taken_once_and_their_taker_holds_them(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        fires = [await queued(wire.store) for _ in range(3)]
        wire.next(cut)
        found = await take(wire.store, 2)
        assert {lease.fire.id for lease in found.leases} < set(fires)
        assert [lease.fire.attempt for lease in found.leases] == [1, 1]
        assert (await wire.store.look(overdue=0, serves=EVERYTHING)).ready == 1
        assert await settle(wire.store, [ending(wire.store, lease) for lease in found.leases]) == ["settled"] * 2


@cuts
async def test_a_lease_is_extended(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        lease = await running(wire.store)
        wire.next(cut)
        started = wire.store.clock.now()
        assert await wire.store.extend([(lease.fire.id, lease.token, started)], lease_ms=2 * LEASE) == ["ok"]
        assert (await read_fire(wire.store, lease.fire.id)).started_at == started
        [(_, expiry)] = real_lab.keys()["leases"]
        assert expiry >= started + 2 * LEASE


@cuts
@pytest.mark.parametrize("outcome", ["succeeded", "failed", "retrying", "queued"])
async def test_an_attempt_is_settled_once_and_its_owner_hears_that_it_was(
    real_lab: RealLab, cut: Misfortune, outcome: str
) -> None:
    async with real_lab:
        wire = await line(real_lab)
        lease = await running(wire.store)
        wire.next(cut)
        retry_at = wire.store.clock.now() + HOUR if outcome == "retrying" else None
        assert await settle(wire.store, [ending(wire.store, lease, outcome, retry_at=retry_at)]) == ["settled"]
        fire = await read_fire(wire.store, lease.fire.id)
        assert (fire.status, fire.failures) == (outcome, int(outcome in ("failed", "retrying")))
        assert wire.events().count(outcome) == int(outcome != "queued")


@cuts
async def test_a_lost_fire_is_reaped_once_and_its_crash_counted_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        fire = await queued(wire.store)
        await wire.store.take(1, lease_ms=1, daemon="d", serves=EVERYTHING)
        await asyncio.sleep(0.01)
        wire.next(cut)
        assert await wire.store.reap(leases=True, max_crashes=3) == [(fire, "queued")]
        assert (await read_fire(wire.store, fire)).crashes == 1


@cuts
async def test_a_prompt_is_cancelled_once_and_who_cancelled_it_hears_what_that_ended(
    real_lab: RealLab, cut: Misfortune
) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        await claimed(wire.store, prompt)
        await taken(wire.store)
        await wire.store.claim([manual_for(wire.store, prompt)])
        wire.next(cut)
        assert await wire.store.cancel(prompt.id) == Cancelled("active", 1, 1)
        assert (await read(wire.store, prompt)).version == 2


@cuts
async def test_a_prompt_is_edited_once_and_who_edited_it_hears_its_version(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        await claimed(wire.store, prompt)
        wire.next(cut)
        assert await wire.store.edit(edit_of(await read(wire.store, prompt), text="new")) == 2
        assert wire.events().count("edited") == 1
        assert len(await wire.store.spans(prompt.id)) == 1


@cuts
async def test_a_prompt_is_paused_and_resumed_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        await claimed(wire.store, prompt)
        wire.next(cut)
        assert await wire.store.pause(prompt.id, reason="requested") == 1
        paused, due = await read(wire.store, prompt), wire.store.clock.now() + HOUR
        wire.next(cut)
        assert await wire.store.resume(paused, "active", due + HOUR, due + HOUR) is None
        assert (await read(wire.store, prompt)).version == 3
        assert [span.kind for span in await wire.store.spans(prompt.id)] == ["paused", "resumed"]


@cuts
async def test_a_person_decides_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        wanted, left = await pending(wire.store), await pending(wire.store)
        due = wire.store.clock.now() + HOUR
        wire.next(cut)
        assert await wire.store.approve(wanted, "active", due, due, note="fine", by="eve") is None
        wire.next(cut)
        assert await wire.store.reject(left.id, by="eve") == (0, 0)
        assert [span.kind for span in await wire.store.spans(wanted.id)] == ["pending", "approved"]
        assert [span.kind for span in await wire.store.spans(left.id)] == ["pending", "rejected"]


@cuts
async def test_an_occurrence_is_skipped_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        due = (prompt.next_at or 0) + HOUR
        wire.next(cut)
        assert await wire.store.skip("skip", prompt, due, [due]) == "done"
        assert (await read(wire.store, prompt)).version == 2


@cuts
async def test_a_fire_is_cancelled_once(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        fire = await queued(wire.store)
        wire.next(cut)
        assert await wire.store.cancel_fire(fire) == "ended"
        assert wire.events().count("cancelled") == 1


@cuts
async def test_a_record_is_set_aside_once_and_who_did_it_hears_so(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        wire.next(cut)
        assert await wire.store.quarantine(prompt, "broken")
        assert wire.events().count("quarantined") == 1


@cuts
async def test_a_prompt_is_purged_once_and_counted(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store, once=True)
        await claimed(wire.store, prompt)
        await settled(wire.store, await taken(wire.store))
        wire.next(cut)
        assert await wire.store.purge([prompt], wire.store.clock.now() + 1) == Purged(1, 1, [])


@cuts
async def test_a_heartbeat_and_a_look_are_answered(real_lab: RealLab, cut: Misfortune) -> None:
    async with real_lab:
        wire = await line(real_lab)
        wire.next(cut, cut)
        assert await wire.store.heartbeat("d", "{}") == [("d", "{}")]
        assert (await wire.store.look(overdue=0, serves=EVERYTHING)).ready == 0


async def test_a_reply_that_is_lost_again_and_again_is_asked_for_until_it_comes(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        wire.next(lose_the_reply, lose_the_command, lose_the_reply)
        assert await wire.store.claim([claim_for(prompt)]) == ["claimed"]
        assert wire.proxy.scripts_seen == 5
        assert wire.store.transport.failures == 3


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab, timeout=0.1)
        prompt = await saved(wire.store)
        wire.next(answer_late(0.15))
        assert await wire.store.claim([claim_for(prompt)]) == ["claimed"]
        await asyncio.sleep(0.1)
        assert await wire.store.heartbeat("d", "{}") == [("d", "{}")]
        assert (await read(wire.store, prompt)).seq == 1


async def test_one_answer_that_never_comes_does_not_use_up_all_patience(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab, timeout=0.1, patience=0.1)
        fire = await queued(wire.store)
        wire.next(answer_late(0.2))
        assert [lease.fire.id for lease in (await take(wire.store)).leases] == [fire]


async def test_who_is_cancelled_while_an_answer_is_under_way_spoils_no_later_answer(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        wire.next(answer_late(0.1))
        claim = asyncio.ensure_future(wire.store.claim([claim_for(prompt)]))
        await asyncio.sleep(0.03)
        claim.cancel()
        assert await wire.store.heartbeat("d", "{}") == [("d", "{}")]
        await asyncio.sleep(0.1)
        assert await wire.store.heartbeat("d", "{}") == [("d", "{}")]


@pytest.mark.parametrize(
    "error",
    [
        "LOADING the server is loading the dataset in memory",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
        # Redis 6.2 puts what happened behind where it happened
        "ERR Error running script (call to f_7d1b2c5be0a6f8b7e1c6a9d2b3f4a5c6d7e8f901): @user_script:128: "
        "@user_script: 128: -READONLY You can't write against a read only replica.",
    ],
)
async def test_a_server_that_cannot_answer_just_now_is_asked_again(real_lab: RealLab, error: str) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        wire.next(answer_with(error), answer_with(error))
        assert await wire.store.claim([claim_for(prompt)]) == ["claimed"]


@pytest.mark.parametrize(
    ("error", "words", "breaks_contact"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "out of memory", True),
        (
            "ERR Error running script (call to f_7d1b2c5be0a6f8b7e1c6a9d2b3f4a5c6d7e8f901): @user_script:128: "
            "@user_script: 128: -OOM command not allowed when used memory > 'maxmemory'. ",
            "out of memory",
            True,
        ),
        (
            "MISCONF Valkey is configured to save RDB snapshots, but it's unable to persist to disk.",
            "cannot write",
            True,
        ),
        ("NOPERM this user has no permissions to access one of the keys", "ACL", False),
        ("NOAUTH Authentication required.", "password", False),
        ("NOREPLICAS Not enough good replicas to write.", "too few replicas", True),
        ("ERR something nobody has thought of", "nobody has thought of", False),
        ("ERR a module says that too few replicas answer", "too few replicas", False),
    ],
)
async def test_a_server_that_refuses_is_not_asked_again(
    real_lab: RealLab, error: str, words: str, breaks_contact: bool
) -> None:
    async with real_lab:
        wire = await line(real_lab)
        wire.next(answer_with(error))
        with pytest.raises(StoreUnusable, match=words):
            await wire.store.heartbeat("d", "{}")
        assert wire.proxy.scripts_seen == 1
        assert wire.store.transport.failures == breaks_contact  # no lease could be renewed where nothing is written


async def test_scripts_that_the_server_forgot_are_sent_again(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        real_lab.inspector.script_flush()
        assert await wire.store.claim([claim_for(prompt)]) == ["claimed"]
        real_lab.inspector.script_flush()
        wire.next(lose_the_reply, lose_the_reply)
        assert isinstance(await wire.store.cancel(prompt.id), Cancelled)
        assert wire.events().count("cancelled") == 2  # the prompt's, and that of its fire


async def test_a_server_that_refuses_connections_for_a_while_is_waited_for(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompt = await saved(wire.store)
        await wire.proxy.close_door()
        claim = asyncio.ensure_future(wire.store.claim([claim_for(prompt)]))
        await asyncio.sleep(0.15)
        await wire.proxy.open_door()
        assert await claim == ["claimed"]


async def test_when_patience_is_exhausted_the_error_says_where_and_what_to_look_at(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab, patience=0.3)
        await wire.proxy.close_door()
        since = time.monotonic()
        with pytest.raises(StoreUnreachable) as caught:
            await wire.store.heartbeat("d", "{}")
        assert time.monotonic() - since < 3
        assert caught.value.message.startswith(f"{wire.proxy.url} does not answer: ")
        assert caught.value.hint == "is the server running, and is the address right?"


async def test_a_command_that_nobody_answers_is_unreachable_and_took_place_at_most_once(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab, timeout=0.1, patience=0.25)
        prompt = await saved(wire.store)
        wire.next(*[answer_late(0.2)] * 9)
        with pytest.raises(StoreUnreachable, match="does not answer"):
            await wire.store.claim([claim_for(prompt)])
        wire.proxy.misfortunes.clear()
        assert (await read(wire.store, prompt)).seq == 1


async def test_a_read_is_asked_again_too(real_lab: RealLab) -> None:
    async with real_lab:
        wire = await line(real_lab)
        prompts = [await saved(wire.store) for _ in range(3)]
        await wire.proxy.close_door()
        reading = asyncio.ensure_future(wire.store.read_prompts([prompt.id for prompt in prompts]))
        await asyncio.sleep(0.1)
        await wire.proxy.open_door()
        assert [prompt.id for prompt in await reading if isinstance(prompt, ScheduledPrompt)] == [
            prompt.id for prompt in prompts
        ]


async def test_a_store_cannot_be_opened_where_nobody_listens(real_server: RealServer) -> None:
    with pytest.raises(StoreUnreachable, match="nowhere"):
        await Store(connect(f"unix://{real_server.folder}/nowhere"), patience=0.1).open()


@pytest.mark.parametrize("end", ["the line breaks", "the answer comes"])
async def test_a_cancellation_that_comes_just_as_a_command_ends_is_not_lost(end: str) -> None:
    answer = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(heedful(asyncio.wait_for(answer, 5)))
    await asyncio.sleep(0.01)
    if end == "the line breaks":
        answer.set_exception(ConnectionError("the line is dead"))
    else:
        answer.set_result("PONG")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
