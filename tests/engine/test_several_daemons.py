"""Several daemons on one store, without a leader and without a lock."""

from __future__ import annotations

from collections import Counter

from scheduled_prompts.engine.membership import Membership
from scheduled_prompts.store.records import ALL, DaemonInfo
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.faults import vanish
from tests.engine.scenes import Scene, Worker, scene

QUICK = {"watch_period": 0.25}


def info(name: str, *platforms: str) -> DaemonInfo:
    return DaemonInfo(
        id=name, host="h", pid=1, version="1", platforms=platforms or (ALL,), runners=("log",), slots=1, started_at=0
    )


def ranks(names: list[str], prompt: str, platform: str = "default") -> dict[str, int]:
    alive = [info(name) for name in names]
    found = {}
    for own in alive:
        membership = Membership(own)
        membership.hear(alive)
        found[own.id] = membership.rank(prompt, platform)
    return found


def test_all_daemons_agree_on_the_order_in_which_they_come() -> None:
    for number in range(100):
        assert sorted(ranks(["a", "b", "c", "d"], f"prompt {number}").values()) == [0, 1, 2, 3]


def test_prompts_are_spread_evenly() -> None:
    first = Counter()  # type: ignore[var-annotated]
    for number in range(1_000):
        found = ranks(["a", "b", "c", "d"], f"prompt {number}")
        first[min(found, key=found.__getitem__)] += 1
    assert min(first.values()) > 200


def test_when_a_daemon_goes_only_its_own_prompts_move() -> None:
    for number in range(200):
        before = ranks(["a", "b", "c"], f"prompt {number}")
        after = ranks(["a", "b"], f"prompt {number}")
        if before["c"] != 0:
            assert min(after, key=after.__getitem__) == min(before, key=before.__getitem__)


def test_who_does_not_serve_a_platform_does_not_count_for_its_prompts() -> None:
    membership = Membership(info("a"))
    membership.hear([info("b", "telegram"), info("c", "slack")])
    assert {membership.rank(f"prompt {number}", "matrix") for number in range(50)} == {0}
    assert {membership.rank(f"prompt {number}", "slack") for number in range(50)} == {0, 1}


def test_a_daemon_counts_itself_whatever_it_hears() -> None:
    membership = Membership(info("a"))
    assert not membership.hear([])
    assert membership.hear([info("b")])
    assert not membership.hear([info("a"), info("b")])
    assert membership.hear([])
    assert membership.rank("prompt", "default") == 0


async def several(lab: Lab, count: int, **settings: object) -> list[Scene]:
    found = [await scene(lab, RecordingRunner(), seed=seed, **{**QUICK, **settings}) for seed in range(count)]
    await found[0].sleep(5)  # until each has heard of all
    return found


async def test_each_prompt_fires_once_however_many_daemons_there_are(lab: Lab) -> None:
    async with lab:
        daemons = await several(lab, 3)
        prompts = [await daemons[0].add(f"in {3 + number % 5}s") for number in range(30)]
        await daemons[0].sleep(10)
        fired = [fire.prompt_id for at in daemons for fire in at.runner.fires]
        assert sorted(fired) == sorted(prompts)
        assert all([(await daemons[0].fire(prompt)).attempt == 1 for prompt in prompts])
        assert sum(at.daemon.claimer.won for at in daemons) == 30


async def test_hardly_a_claim_is_wasted(lab: Lab) -> None:
    async with lab:
        daemons = await several(lab, 4)
        for number in range(60):
            await daemons[0].add(f"in {3 + number % 5}s")
        await daemons[0].sleep(10)
        assert sum(at.daemon.claimer.won for at in daemons) == 60
        assert sum(at.daemon.claimer.lost for at in daemons) <= 3


async def test_recurring_prompts_stay_on_time_with_several_daemons(lab: Lab) -> None:
    async with lab:
        daemons = await several(lab, 2)
        for number in range(6):
            await daemons[0].add(f"every {2 + number % 2}s")
        await daemons[0].sleep(12)
        fires = [fire for at in daemons for fire in at.runner.fires]
        assert len({fire.id for fire in fires}) == len(fires)
        assert 24 <= len(fires) <= 36
        assert all(fire.lateness_ms == 0 for fire in fires)


async def test_what_a_dead_daemon_was_to_claim_another_claims_a_quarter_of_a_second_late(lab: Lab) -> None:
    async with lab:
        daemons = await several(lab, 2)
        prompts: list[str] = []
        owned: list[str] = []
        while not 0 < len(owned) < len(prompts):
            prompts += [await daemons[0].add("in 4s") for _ in range(8)]
            owned = [prompt for prompt in prompts if daemons[1].daemon._membership.rank(prompt, "default") == 0]
        await daemons[0].sleep(3)
        await vanish(daemons[1].daemon)
        await daemons[0].sleep(4)
        late = {fire.prompt_id: fire.lateness_ms or 0 for fire in daemons[0].runner.fires}
        assert set(late) == set(prompts)
        assert all(250 <= late[prompt] <= 550 for prompt in owned)
        assert all(late[prompt] == 0 for prompt in prompts if prompt not in owned)


async def test_after_a_daemon_left_its_prompts_are_armed_by_the_others(lab: Lab) -> None:
    async with lab:
        daemons = await several(lab, 2)
        prompts = [await daemons[0].add("in 30s") for _ in range(8)]
        await daemons[1].daemon.__aexit__()
        await daemons[0].sleep(5)
        assert len(daemons[0].daemon.timers) == 8
        await daemons[0].sleep(30)
        assert {fire.lateness_ms for fire in daemons[0].runner.fires} == {0}
        assert len(daemons[0].runner.fires) == len(prompts)


async def test_what_one_daemon_has_no_slot_for_another_runs(lab: Lab) -> None:
    async with lab:
        busy = await scene(lab, Worker(20), slots=1, **QUICK)
        idle = await scene(lab, Worker(20), seed=1, slots=1, **QUICK)
        await busy.sleep(5)
        for _ in range(2):
            await busy.add("in 2s")
        await busy.sleep(4)
        assert len(busy.runner.begun) == len(idle.runner.begun) == 1


async def test_a_daemon_takes_only_what_it_has_a_runner_and_a_platform_for(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        mail, chat, other = RecordingRunner(), RecordingRunner(), RecordingRunner()
        at = await scene(lab, {"mail": mail}, store=store)
        await lab.daemon(await lab.store(seed=1), {"chat": chat}, watch_period=1.0, platforms=("telegram",))
        await lab.daemon(await lab.store(seed=2), {"chat": other}, watch_period=1.0, platforms=("slack",))
        await at.sleep(5)
        await at.add("in 2s", "1", runner="mail", platform="telegram")
        await at.add("in 2s", "2", runner="chat", platform="telegram")
        await at.add("in 2s", "3", runner="chat", platform="slack")
        nobody = await at.add("in 2s", "4", runner="chat", platform="matrix")
        await at.sleep(8)
        assert (mail.texts, chat.texts, other.texts) == (["1"], ["2"], ["3"])
        assert (await at.scheduler.get(nobody)).status == "scheduled"


async def test_a_fire_of_a_prompt_cancelled_through_another_store_is_cancelled(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker())
        prompt = await at.add("in 1s")
        await at.sleep(3)
        elsewhere = await lab.scheduler(await lab.store(seed=7))
        await elsewhere.cancel(prompt)
        await at.sleep(0.05)
        assert len(at.runner.cancelled) == 1
