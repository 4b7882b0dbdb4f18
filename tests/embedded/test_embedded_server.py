"""Starting, finding, sharing and leaving the embedded server, with nobody killed but where it says so."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.store.embedded import EmbeddedServer, default_directory, launch, locks
from scheduled_prompts.store.embedded.record import read_record
from tests.embedded.conftest import WITHIN, House, assert_all_gone, has_ended


async def pid_of(server: EmbeddedServer) -> int:
    async with Redis(unix_socket_path=str(server.socket_path)) as redis:
        return int((await redis.info("server"))["process_id"])


def binary_of(directory: Path) -> Path:
    record = read_record(directory)
    assert record is not None
    return Path(record.binary)


def cut_the_end(directory: Path, size: int) -> None:
    [file] = directory.glob("appendonlydir/*.incr.aof")
    os.truncate(file, file.stat().st_size - size)


def environment_of(pid: int) -> bytes:
    """As Linux tells it; empty elsewhere."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except FileNotFoundError:
        return b""


def modes_below(directory: Path) -> dict[str, int]:
    return {str(file): stat.S_IMODE(file.stat().st_mode) for file in [directory, *directory.rglob("*")]}


async def kill(server: EmbeddedServer) -> None:
    pid = await pid_of(server)
    os.kill(pid, signal.SIGKILL)
    assert has_ended(pid)


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
        assert not first.started_here
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


def test_a_stale_socket_and_a_stale_record_are_harmless(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        await kill(server)
        assert server.socket_path.is_socket()  # left behind by the kill
        again = EmbeddedServer(directory, linger=0.0, patience=WITHIN)
        await again.ensure()
        assert again.started_here
        await again.release()
        await server.release()

    asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells which process it is")
def test_a_server_whose_socket_was_removed_is_replaced_without_losing_anything(directory: Path) -> None:
    async def scenario() -> None:
        first = EmbeddedServer(directory, linger=0.0)
        await first.ensure()
        unreachable = await pid_of(first)
        async with Redis(unix_socket_path=str(first.socket_path)) as redis:
            await redis.set("kept", "yes")
        os.unlink(first.socket_path)  # noqa: PTH108  # the blocking kind is meant
        second = EmbeddedServer(directory, linger=0.0, patience=5.0)
        await second.ensure()
        assert has_ended(unreachable)
        async with Redis(unix_socket_path=str(second.socket_path)) as redis:
            assert await redis.get("kept") == b"yes"
        await first.ensure()
        assert await pid_of(first) == await pid_of(second)
        await second.release()
        await first.release()

    asyncio.run(scenario())


def test_a_file_cut_by_a_crash_loads_without_its_last_half_command(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        async with Redis(unix_socket_path=str(server.socket_path)) as redis:
            await redis.set("whole", "yes")
            await redis.set("cut", "yes")
        await kill(server)
        cut_the_end(directory, 3)
        await server.ensure()
        async with Redis(unix_socket_path=str(server.socket_path)) as redis:
            assert await redis.get("whole") == b"yes"
            assert await redis.get("cut") is None
        await server.release()

    asyncio.run(scenario())


def test_a_server_that_cannot_start_is_an_error_with_its_last_words(directory: Path) -> None:
    (directory / "appendonlydir").mkdir(parents=True)
    directory.chmod(0o700)
    (directory / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        with pytest.raises(StoreUnusable, match=r"(?s)ended right after its start; its last words:.*manifest"):
            await server.ensure()
        # It may be asked again, and works once the reason is gone.
        shutil.rmtree(directory / "appendonlydir")
        await server.ensure()
        await server.release()

    asyncio.run(scenario())


def test_a_server_that_does_not_answer_is_waited_for_with_bounded_patience(directory: Path) -> None:
    async def scenario() -> None:
        first = EmbeddedServer(directory, linger=0.0)
        await first.ensure()
        pid = await pid_of(first)
        os.kill(pid, signal.SIGSTOP)
        try:
            second = EmbeddedServer(directory, linger=0.0, patience=0.2)
            with pytest.raises(StoreUnreachable, match="does not answer"):
                await second.ensure()
        finally:
            os.kill(pid, signal.SIGCONT)
        await second.ensure()
        await second.release()
        await first.release()

    asyncio.run(scenario())


def test_a_lock_that_is_held_without_a_server_is_waited_for_with_bounded_patience(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    lock = locks.try_exclusive(directory / locks.SERVER)
    assert lock is not None

    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0, patience=0.1)
        with pytest.raises(StoreUnreachable, match="its socket None is gone"):
            await server.ensure()
        locks.unlock(lock)
        await server.ensure()
        await server.release()

    asyncio.run(scenario())


def test_ensure_waits_for_a_shutdown_with_bounded_patience(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    lock = locks.try_exclusive(directory / locks.USERS)
    assert lock is not None
    with pytest.raises(StoreUnreachable, match="shutting down"):
        asyncio.run(EmbeddedServer(directory, linger=0.0, patience=0.05).ensure())
    locks.unlock(lock)


def test_a_cancelled_ensure_holds_nothing(directory: Path, free: Callable[[Path], None]) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        await server.release()
        for turns in range(12):
            starting = asyncio.ensure_future(server.ensure())
            for _ in range(turns):
                await asyncio.sleep(0.002)
            starting.cancel()
            await asyncio.wait([starting])
            if starting.cancelled():
                await asyncio.to_thread(free, directory / locks.USERS)
            else:
                await server.release()
        await server.ensure()
        await server.release()

    asyncio.run(scenario())


def test_the_server_of_a_removed_directory_is_shut_down(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.1)
        await server.ensure()
        pid = await pid_of(server)
        await asyncio.sleep(0.2)  # for the keeper to have read where the server listens
        shutil.rmtree(directory)
        await server.release()
        deadline = time.monotonic() + WITHIN
        while server.socket_path.exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert has_ended(pid)

    asyncio.run(scenario())


def test_a_directory_that_was_removed_and_made_again_gets_its_own_server(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        old = await pid_of(server)
        await asyncio.sleep(0.2)  # for the keeper to have opened its files: it would be in rmtree's way
        shutil.rmtree(directory)
        await server.ensure()
        new = await pid_of(server)
        assert new != old
        await asyncio.sleep(0.2)
        assert await pid_of(server) == new  # the keeper of the old directory lets it live
        await server.release()
        assert has_ended(old)

    asyncio.run(scenario())


def test_a_server_started_by_hand_on_the_directory_is_refused(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        await server.release()
        await asyncio.to_thread(assert_all_gone, directory)
        binary = binary_of(directory)
        other = locks.try_exclusive(directory / "other.lock")
        assert other is not None
        stranger = launch.start_server(binary, directory, server.socket_path, other)
        os.close(other)
        async with Redis(unix_socket_path=str(server.socket_path)) as redis:
            for _ in range(200):
                try:
                    await redis.ping()
                    break
                except RedisError:
                    await asyncio.sleep(0.01)
        with pytest.raises(StoreUnusable, match="not started by scheduled-prompts"):
            await server.ensure()
        stranger.kill()
        assert has_ended(stranger.pid)
        await server.ensure()
        await server.release()

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


def test_another_program_on_the_socket_is_not_taken_for_the_server(directory: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(directory, linger=0.0)
        await server.ensure()
        await server.release()
        await asyncio.to_thread(assert_all_gone, directory)
        lock = locks.try_exclusive(directory / locks.SERVER)
        assert lock is not None

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1000)
            writer.write(b"*2\r\n$3\r\ndir\r\n$5\r\n/else\r\n+PONG\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(answer, server.socket_path):
            hasty = EmbeddedServer(directory, linger=0.0, patience=0.1)
            with pytest.raises(StoreUnreachable, match="another server"):
                await hasty.ensure()
        locks.unlock(lock)
        await server.ensure()  # and its socket is in nobody's way
        await server.release()

    asyncio.run(scenario())


def test_a_loading_server_is_waited_for(directory: Path, runtime: Path) -> None:
    from scheduled_prompts.store.embedded.probe import Answer, probe

    async def scenario() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1000)
            writer.write(b"*2\r\n$3\r\ndir\r\n$%d\r\n%s\r\n" % (len(bytes(directory)), bytes(directory)))
            writer.write(b"-LOADING Valkey is loading the dataset in memory\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(answer, runtime / "loading.sock"):
            assert await probe(runtime / "loading.sock", directory) is Answer.LOADING

        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(runtime / "mute.sock"))
            assert await probe(runtime / "mute.sock", directory) is Answer.NOBODY
            mute.listen()
            assert await probe(runtime / "mute.sock", directory) is Answer.SILENT

    asyncio.run(scenario())
