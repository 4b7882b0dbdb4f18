"""Real processes, real signals, a real clock: kill -9 of anything, and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from scheduled_prompts import Once, Scheduler
from tests.accounting import check_accounts
from tests.e2e.household import Household

pytestmark = pytest.mark.timeout(120)

ON_TIME_MS = 20


def test_a_prompt_fires_on_time_through_a_command_and_history_shows_its_output(household: Household) -> None:
    household.start_daemon()
    late = []
    for _ in range(3):  # the machine may be busy with other tests: one of three must be on time
        added = household.command("add", "say hello", "--when", "in 1s", "--runner", "echo", "--wait")
        assert added["created"] is True
        [fire] = household.command("history", added["prompt"]["id"])["items"]
        assert fire["status"] == "succeeded"
        assert fire["result"]["text"] == "say hello"
        assert fire["lateness_ms"] >= 0
        late.append(fire["lateness_ms"])
        if late[-1] <= ON_TIME_MS:
            return
    raise AssertionError(f"late by {late} ms")


def test_daemon_and_server_killed_before_the_due_time_fire_it_once_after_the_restart(household: Household) -> None:
    daemon = household.start_daemon()
    prompt = household.command("add", "say hello", "--when", "in 2s", "--runner", "quick")["prompt"]
    household.kill(daemon)
    household.kill_server()
    time.sleep(2.2)  # the moment passes while nobody is there

    household.start_daemon()
    household.until(lambda: bool(household.book()))
    time.sleep(0.5)

    [[start]] = household.book().values()
    assert start.attempt == 1
    assert start.late > 0
    shown = household.command("show", prompt["id"])
    assert shown["status"] == "executed"


def test_the_server_killed_under_a_living_daemon_is_started_again_and_the_prompt_fires(household: Household) -> None:
    household.start_daemon()
    household.command("add", "say hello", "--when", "in 2s", "--runner", "quick")
    household.kill_server()

    household.until(lambda: bool(household.book()))

    [[start]] = household.book().values()
    assert start.attempt == 1
    assert 0 <= start.late <= 1_000, "the server is back long before the moment comes"


def test_a_daemon_killed_while_a_runner_works_leads_to_attempt_two_of_the_same_fire(household: Household) -> None:
    daemon = household.start_daemon()
    prompt = household.command("add", "think", "--when", "in 1s", "--runner", "slow")["prompt"]
    household.until(lambda: bool(household.book()))
    household.kill(daemon)

    household.start_daemon()
    household.until(lambda: household.statuses(prompt["id"]) == {"succeeded"})

    [starts] = household.book().values()
    assert [start.attempt for start in starts] == [1, 2]
    check_accounts(household.keys())


def test_at_most_once_a_fire_that_lost_its_daemon_ends_interrupted(household: Household) -> None:
    daemon = household.start_daemon()
    prompt = household.command("add", "pay", "--when", "in 1s", "--runner", "slow", "--on-crash", "interrupt")["prompt"]
    household.until(lambda: bool(household.book()))
    household.kill(daemon)

    household.start_daemon()
    household.until(lambda: household.statuses(prompt["id"]) == {"interrupted"})

    [starts] = household.book().values()
    assert [start.attempt for start in starts] == [1]


def test_sigterm_gives_back_what_runs_and_the_next_daemon_runs_it_at_once(household: Household) -> None:
    daemon = household.start_daemon()
    prompt = household.command("add", "think", "--when", "in 1s", "--runner", "slow")["prompt"]
    household.until(lambda: bool(household.book()))
    household.stop(daemon)  # drains for 2 s; the runner needs 3
    assert household.command("history", prompt["id"])["items"][0]["status"] == "queued"

    household.start_daemon()
    household.until(lambda: len(household.book().popitem()[1]) == 2, within=2)


async def schedule_all(scheduler: Scheduler, instants: list[int]) -> None:
    """A hundred at a time: a busy machine must not make the first of them late."""
    for first in range(0, len(instants), 100):
        batch = instants[first : first + 100]
        await asyncio.gather(*(scheduler.schedule("ping", Once(at=at), runner="quick") for at in batch))


@pytest.mark.real_time
async def test_two_daemons_one_killed_half_way_lose_none_of_two_thousand(household: Household) -> None:
    first, _second = household.start_daemon(), household.start_daemon()
    prompts = 2_000
    async with Scheduler(household.store_at(household.socket)) as scheduler:
        start = scheduler.clock.now() + 10_000
        await schedule_all(scheduler, [start + number * 15_000 // prompts for number in range(prompts)])
        await scheduler.clock.sleep((start + 7_500 - scheduler.clock.now()) / 1000)
        household.kill(first)
        await scheduler.clock.sleep((start + 16_000 - scheduler.clock.now()) / 1000)
    household.until(lambda: len(household.book()) == prompts)
    household.until(household.nothing_runs)

    again = 0
    for starts in household.book().values():
        assert [line.attempt for line in starts] in ([1], [2], [1, 2])
        assert all(line.late >= 0 for line in starts)
        again += len(starts) - 1
    assert again <= 100, "only what was in the killed daemon's hands may run again"
    keys = household.keys()
    assert {fire["status"] for name, fire in keys.items() if name.startswith("fire:")} == {"succeeded"}
    check_accounts(keys)


@pytest.mark.real_time
async def test_four_daemons_waste_less_than_one_claim_in_twenty(household: Household) -> None:
    daemons = [household.start_daemon() for _ in range(4)]
    prompts = 600
    async with Scheduler(household.store_at(household.socket)) as scheduler:
        start = scheduler.clock.now() + 6_000
        await schedule_all(scheduler, [start + number * 5_000 // prompts for number in range(prompts)])
    household.until(lambda: len(household.book()) == prompts)
    assert [household.stop(daemon) for daemon in daemons] == [0, 0, 0, 0]

    claimed = lost = 0
    for daemon in daemons:
        [said] = [line for line in household.log_of(daemon) if line["event"] == "daemon_stopped"]
        claimed += said["claimed"]
        lost += said["claims_lost"]
    assert claimed == prompts
    assert lost < 0.05 * prompts
    assert all(len(starts) == 1 for starts in household.book().values())
