"""Real processes: however a command ends, nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.runners import process_group
from scheduled_prompts.runners.command import CommandError, CommandRunner
from tests.runners.commands import a_fire, run, shell


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def wait_until_gone(*pids: int, within: float = 2.0) -> bool:
    deadline = time.monotonic() + within
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


async def pids_in(path: Path, count: int) -> list[int]:
    """The process numbers that the command under test writes down, once it has written all of them."""
    while len(words := _words_in(path)) < count:  # noqa: ASYNC110 - another process writes the file
        await asyncio.sleep(0.01)
    return [int(word) for word in words]


def _words_in(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_a_timeout_ends_the_grandchildren_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def scenario() -> list[int]:
        task = asyncio.create_task(shell(f"sleep 60 & echo $! $$ > {pids}; wait").run(a_fire()))
        family = await pids_in(pids, 2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await task
        return family

    started = time.monotonic()
    family = asyncio.run(scenario())
    assert len(family) == 2
    assert wait_until_gone(*family)
    assert time.monotonic() - started < 10


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def scenario() -> tuple[list[int], float]:
        runner = shell(f"trap '' TERM; sleep 60 & echo $! $$ > {pids}; wait; wait", kill_after=0.3)
        task = asyncio.create_task(runner.run(a_fire()))
        family = await pids_in(pids, 2)
        cancelled = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return family, time.monotonic() - cancelled

    family, took = asyncio.run(scenario())
    assert 0.25 < took < 2
    assert wait_until_gone(*family)


def test_a_child_may_use_the_grace_to_clean_up_even_behind_a_shell(tmp_path: Path) -> None:
    # The shell dies of SIGTERM at once; what it started is still given its time.
    ready, done = tmp_path / "ready", tmp_path / "done"
    script = f"""
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.3)
    pathlib.Path({str(done)!r}).touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path({str(ready)!r}).write_text("1")
time.sleep(60)
"""

    async def scenario() -> None:
        runner = shell('"$PYTHON" -I -S -c "$SCRIPT"; true', env={"PYTHON": sys.executable, "SCRIPT": script})
        task = asyncio.create_task(runner.run(a_fire()))
        await pids_in(ready, 1)
        asked = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done.exists(), f"it was given {time.monotonic() - asked:.2f} s"

    asyncio.run(scenario())


def test_a_second_cancel_kills_at_once(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def scenario() -> tuple[list[int], float]:
        task = asyncio.create_task(shell(f"trap '' TERM; echo $$ > {pids}; sleep 60; sleep 60").run(a_fire()))
        family = await pids_in(pids, 1)
        started = time.monotonic()
        task.cancel()
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return family, time.monotonic() - started

    family, took = asyncio.run(scenario())
    assert took < 1
    assert wait_until_gone(*family)


def test_a_cancel_before_the_first_step_starts_nothing() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(CommandRunner(["sleep", "60"]).run(a_fire()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_cancels_at_any_moment_leave_nothing(tmp_path: Path) -> None:
    # The fixture looks for processes, descriptors and files.
    async def scenario() -> None:
        runner = shell("sleep 0.01 & cat", kill_after=0.2)
        for step in range(30):
            task = asyncio.create_task(runner.run(a_fire()))
            await asyncio.sleep(step * 0.0007)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result().text == "What is new?"

    asyncio.run(scenario())


def test_a_coroutine_thrown_away_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def scenario() -> list[int]:
        running: Coroutine[Any, Any, Any] = shell(f"echo $$ > {pids}; sleep 60; true").run(a_fire())
        running.send(None)
        family = await pids_in(pids, 1)
        running.close()
        return family

    assert wait_until_gone(*asyncio.run(scenario()))


def test_a_background_process_that_holds_the_pipes_does_not_hold_the_result(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    assert run(shell(f"sleep 60 & echo $! > {pids}; echo answered")) == "answered\n"
    assert time.monotonic() - started < process_group.LINGER + 2
    assert wait_until_gone(int(pids.read_text()))


def test_a_background_process_that_let_go_of_the_pipes_is_ended_as_well(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    assert run(shell(f"sleep 60 </dev/null >/dev/null 2>&1 & echo $! > {pids}; echo answered")) == "answered\n"
    assert time.monotonic() - started < 10
    assert wait_until_gone(int(pids.read_text()))


def test_a_stubborn_background_process_is_killed_after_the_grace(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"(trap '' TERM; echo ready; exec >/dev/null 2>&1 sleep 60) & echo $! > {pids}; sleep 0.1"
    assert run(shell(script, kill_after=0.2)) == "ready\n"
    assert wait_until_gone(int(pids.read_text()))


def test_what_is_written_just_after_the_child_exited_still_counts() -> None:
    assert run(shell("(sleep 0.1; echo late) & echo early")) == "early\nlate\n"


def test_many_commands_at_once() -> None:
    async def scenario() -> list[str | None]:
        runner = CommandRunner(["cat"])
        results = await asyncio.gather(*(runner.run(a_fire(f"prompt {n}")) for n in range(30)))
        return [result.text for result in results]

    assert asyncio.run(scenario()) == [f"prompt {n}" for n in range(30)]


def test_it_works_where_there_is_no_pidfd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert run(CommandRunner(["cat"])) == "What is new?"
    test_a_timeout_ends_the_grandchildren_too(tmp_path)
    monkeypatch.delattr(os, "waitid")
    assert run(CommandRunner(["cat"])) == "What is new?"
    with pytest.raises(CommandError, match="exit code 1"):
        run(CommandRunner(["false"]))


def test_ctrl_c_at_the_daemons_terminal_does_not_reach_the_command() -> None:
    assert int(run(shell("ps -o sid= -p $$"))) != os.getsid(0)


def test_the_signals_python_ignores_are_not_ignored_in_the_command() -> None:
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    with pytest.raises(CommandError, match="SIGPIPE"):
        run(shell("kill -PIPE $$; echo survived"))


def test_a_failure_is_seen_even_where_sigchld_was_ignored() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(CommandError, match="exit code 1"):
            run(CommandRunner(["false"]))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_child_that_closes_stdin_on_what_it_is_being_told_is_left_in_peace() -> None:
    trouble: list[object] = []

    async def scenario() -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        child = process_group.ProcessGroup(
            ["sh", "-c", "exec <&-; sleep 0.1; echo done"],
            stdin=b"x" * 1_000_000,
            cwd=None,
            env=os.environ,
            keep_output=100,
            keep_errors=100,
        )
        try:
            await child.completed()
            await child.end(1)
        finally:
            child.release()
        return bytes(child.output)

    assert asyncio.run(scenario()) == b"done\n"
    assert trouble == []
