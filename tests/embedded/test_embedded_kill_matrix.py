"""Whoever is killed, at whichever step: one server, nothing acknowledged lost, nothing stuck, a clean end."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.embedded.conftest import WITHIN, House, has_ended
from tests.embedded.embedded_child import KILLED

START = [
    "joined",
    "locked",
    "recorded",
    "keeper-locked",
    "keeper-started",
    "started",
    "handed-over",
    "answered",
]
STOP = ["using", "leaving", "left"]
ADOPT = ["joined", "answered", *STOP]
KEEPER = [
    "keeper-started",
    "keeper-saw-the-last-user-leave",
    "keeper-lingered",
    "keeper-is-alone",
    "keeper-found-the-server",
    "keeper-sent-shutdown",
    "keeper-saw-the-server-end",
    "keeper-resigned",
]


@pytest.mark.parametrize("step", START + STOP)
def test_a_starter_may_be_killed_at_any_step(house: House, step: str) -> None:
    starter = house.user(at=step, kill="self")
    assert house.wait(starter) == KILLED
    house.assert_sound()


def kill(keeper: int) -> None:
    """Also wait for its end: who dies, on a busy machine for 20 ms, holds its lock until then."""
    os.kill(keeper, signal.SIGKILL)
    assert has_ended(keeper)


@pytest.mark.parametrize("step", [*START[START.index("started") :], *STOP])
def test_the_server_may_be_killed_at_any_step_of_its_starter(house: House, step: str) -> None:
    starter = house.user(at=step, kill="server")
    assert house.wait(starter) == 0  # it may have had an error to report, and left in order
    house.assert_sound()


@pytest.mark.parametrize("step", [*START[START.index("keeper-started") :], *STOP])
def test_the_keeper_may_be_killed_at_any_step_of_its_starter(house: House, step: str) -> None:
    starter = house.user(at=step, kill="keeper")
    assert house.wait(starter) == 0
    assert house.reports(starter, "released")
    house.assert_sound()


@pytest.mark.parametrize("step", ADOPT)
@pytest.mark.parametrize("victim", ["self", "server", "keeper"])
def test_whoever_is_killed_at_any_step_of_an_adopter_the_first_user_goes_on(
    house: House, step: str, victim: str
) -> None:
    first = house.user(hold=True)
    server, keeper = house.await_report(first, "ready"), house.await_report(first, "keeper")
    adopter = house.user(at=step, kill=victim, server=server, keeper=keeper)
    assert house.wait(adopter) == (KILLED if victim == "self" else 0)
    if victim != "server":
        assert house.reports(adopter, "server") == []
    assert house.end(first) == 0
    house.assert_sound()


@pytest.mark.parametrize("step", ["keeper-locked", "keeper-started"])
def test_an_adopter_may_be_killed_while_it_replaces_the_keeper(house: House, step: str) -> None:
    first = house.user(hold=True)
    kill(house.await_report(first, "keeper"))
    house.await_report(first, "ready")
    adopter = house.user(at=step, kill="self")
    assert house.wait(adopter) == KILLED
    assert house.end(first) == 0
    house.assert_sound()


def test_an_orphaned_server_is_adopted_and_shut_down_by_the_next_user(house: House) -> None:
    starter = house.user(hold=True)
    server = house.await_report(starter, "ready")
    kill(house.await_report(starter, "keeper"))
    assert house.end(starter, signal.SIGKILL) == KILLED
    adopter = house.user()
    assert house.wait(adopter) == 0
    assert house.reports(adopter, "ready") == [server]
    house.assert_sound()


@pytest.mark.parametrize("step", KEEPER)
@pytest.mark.parametrize("victim", ["self", "server"])
def test_keeper_and_server_may_be_killed_at_any_step_of_the_keeper(house: House, step: str, victim: str) -> None:
    user = house.user(keeper_at=step, keeper_action=victim)
    assert house.wait(user) == 0
    house.await_report(user, "keeper-at")
    if victim == "self":
        # It may have been replaced by the user who left, and the second dies like the first.
        assert all(has_ended(keeper) for keeper in house.reports(user, "keeper"))
    house.assert_sound()


@pytest.mark.parametrize("step", KEEPER)
def test_a_user_who_comes_at_any_step_of_the_keeper_gets_a_server_that_stays(house: House, step: str) -> None:
    first = house.user(keeper_at=step, keeper_action="pause", keeper_pause=0.1)
    assert house.wait(first) == 0
    house.await_report(first, "keeper-at")
    second = house.user(hold=True)
    server = house.await_report(second, "ready")
    time.sleep(0.2)  # longer than the keeper's pause and its linger: what it was about to do, it would have done
    os.kill(server, 0)
    assert house.reports(second, "took")[0] < WITHIN
    assert house.end(second) == 0
    assert house.reports(second, "error") == []
    house.assert_sound()


def test_everything_may_be_killed_at_once(house: House) -> None:
    users = [house.user(hold=True, writes=50) for _ in range(3)]
    servers = {house.await_report(user, "ready") for user in users}
    assert len(servers) == 1
    keepers = [pid for user in users for pid in house.reports(user, "keeper")]
    assert len(keepers) == 1
    for pid in [*users, *keepers, *servers]:
        os.kill(pid, signal.SIGKILL)
    assert all(has_ended(pid) for pid in keepers)  # who dies holds its lock until it is dead
    assert {house.wait(user) for user in users} == {KILLED}
    house.assert_sound()
