"""Starting, finding, sharing and leaving the embedded server, with nobody killed but where it says so."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.store.embedded import EmbeddedServer, default_directory, launch, locks
from tests.embedded.conftest import WITHIN, House, assert_all_gone, has_ended, kill, pid_of


def environment_of(pid: int) -> bytes:
    """As Linux tells it; empty elsewhere."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except FileNotFoundError:
        return b""


def modes_below(directory: Path) -> dict[str, int]:
    return {str(file): stat.S_IMODE(file.stat().st_mode) for file in [directory, *directory.rglob("*")]}


def test_ensure_starts_a_server_that_keeps_what_was_written(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        assert server.started_here
        assert server.describe().startswith("valkey ")
        assert server.describe().endswith(str(directory))
        async with Redis(unix_socket_path=str(server.socket_path)) as redis:
            await redis.set("kept", "yes")
            settings = await redis.config_get("appendfsync", "appendonly", "save", "port")
        assert settings == {"appendfsync": "always", "appendonly": "yes", "save": "", "port": "0"}
        await kill(server)
        await server.ensure()
        async with Redis(unix_socket_path=str(server.socket_path)) as redis:
            assert await redis.get("kept") == b"yes"
        await server.release()

    asyncio.run(scenario())


def test_only_the_user_can_come_near_directory_and_socket(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        assert modes_below(directory)[str(directory)] == 0o700
        assert not any(mode & 0o077 for mode in modes_below(directory).values())
        assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o700
        assert len(bytes(server.socket_path)) < 100
        await server.release()

    asyncio.run(scenario())


def test_ensure_is_idempotent_and_cheap_when_the_server_runs(directory: Path) -> None:
    async def scenario() -> None:
        first, second = EmbeddedServer(directory, linger=0.0), EmbeddedServer(directory, linger=0.0)
        await first.ensure()
        await second.ensure()
        assert not second.started_here
        assert second.socket_path == first.socket_path
        pid = await pid_of(first)
        took = []
        for _ in range(20):
            began = time.perf_counter()
            await second.ensure()
            took.append(time.perf_counter() - began)
        assert await pid_of(second) == pid
        assert min(took) < 0.005
        await first.release()
        await second.release()
        await second.release()

    asyncio.run(scenario())


def test_the_server_stays_while_anybody_uses_it_and_for_the_linger(
    directory: Path, free: Callable[[Path], None]
) -> None:
    async def scenario() -> None:
        first, second = EmbeddedServer(directory, linger=0.2), EmbeddedServer(directory, linger=0.2)
        await first.ensure()
        await second.ensure()
        pid = await pid_of(first)
        await first.release()
        await asyncio.sleep(0.4)
        assert await pid_of(second) == pid
        await second.release()
        left = time.monotonic()
        await asyncio.sleep(0.05)
        await first.ensure()  # within the linger: the same server
        assert await pid_of(first) == pid
        await first.release()
        await asyncio.to_thread(free, directory / locks.SERVER)
        assert time.monotonic() - left > 0.2
        deadline = time.monotonic() + WITHIN
        while first.started_here:  # the lock is free a moment before its parent hears of the end
            assert time.monotonic() < deadline
            await asyncio.sleep(0.002)
        assert not first.socket_path.exists()

    asyncio.run(scenario())


def test_twelve_processes_that_start_at_once_share_one_server(house: House) -> None:
    users = [house.user(start_at=time.time() + 0.2, hold=True) for _ in range(12)]
    assert len({house.await_report(user, "ready") for user in users}) == 1
    assert sum(len(house.reports(user, "server")) for user in users) == 1
    assert sum(len(house.reports(user, "keeper")) for user in users) == 1
    assert [house.end(user) for user in users] == [0] * 12
    house.assert_sound()


def test_a_user_who_comes_while_the_server_is_shut_down_gets_one_that_stays(directory: Path) -> None:
    async def scenario() -> None:
        kept = 0
        before = 0
        for round_number in range(30):
            server = EmbeddedServer(directory, linger=0.0, patience=WITHIN)
            await server.ensure()
            async with Redis(unix_socket_path=str(server.socket_path)) as redis:
                assert int(await redis.get("rounds") or 0) == round_number
                await redis.incr("rounds")
                pid = (await redis.info("server"))["process_id"]
                kept += pid == before
                before = pid
            await server.release()
            # The keeper shuts down 50 ms after it saw the last user leave, which takes a few ms: come around then.
            await asyncio.sleep(0.047 + 0.0005 * round_number)
        assert 0 <= kept < 30

    asyncio.run(scenario())


def test_a_keeper_that_was_killed_is_replaced_by_a_user_who_leaves(house: House) -> None:
    user = house.user(hold=True)
    house.await_report(user, "ready")
    keeper = house.await_report(user, "keeper")
    os.kill(keeper, signal.SIGKILL)
    assert has_ended(keeper)
    assert house.end(user) == 0
    assert_all_gone(house.directory)


def test_ctrl_c_ends_the_user_and_not_the_server(house: House) -> None:
    first = house.user(hold=True, own_group=True)
    server = house.await_report(first, "ready")
    second = house.user(hold=True)
    house.await_report(second, "ready")
    os.killpg(first, signal.SIGINT)
    house.wait(first)
    third = house.user()
    assert house.wait(third) == 0
    assert house.reports(third, "ready") == [server]
    assert house.end(second) == 0
    house.assert_sound()


def test_users_with_other_runtime_directories_find_the_same_server(
    directory: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        login = EmbeddedServer(directory, linger=0.0)
        await login.ensure()
        other = runtime / "other"
        other.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(other))
        cron = EmbeddedServer(directory, linger=0.0, patience=0.5)
        await cron.ensure()
        assert cron.socket_path == login.socket_path
        await login.release()
        await cron.release()

    asyncio.run(scenario())


def test_an_overlong_log_is_set_aside(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    (directory / launch.LOG).write_bytes(b"x" * (launch._LONGEST_LOG + 1))

    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        await server.release()

    asyncio.run(scenario())
    assert (directory / launch.LOG).stat().st_size < 100_000


def test_the_starter_s_environment_does_not_live_on_in_the_server(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")

    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        assert b"secret" not in environment_of(await pid_of(server))
        await server.release()

    asyncio.run(scenario())


def test_the_default_directory_is_the_user_s_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_directory() == Path("/somewhere/scheduled-prompts")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_directory() == Path("/home/ada/.local/share/scheduled-prompts")


def test_the_socket_path_is_not_known_before_ensure(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="not been ensured"):
        _ = EmbeddedServer(tmp_path).socket_path
