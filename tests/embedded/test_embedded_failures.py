"""What goes wrong without anybody being killed on purpose: files, sockets, patience, cancellation."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.store.embedded import EmbeddedServer, launch, locks
from scheduled_prompts.store.embedded.record import read_record
from tests.embedded.conftest import WITHIN, assert_all_gone, has_ended, kill, pid_of


def binary_of(directory: Path) -> Path:
    record = read_record(directory)
    assert record is not None
    return Path(record.binary)


def cut_the_end(directory: Path, size: int) -> None:
    [file] = directory.glob("appendonlydir/*.incr.aof")
    os.truncate(file, file.stat().st_size - size)


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
        later = EmbeddedServer(directory, linger=0.0)  # a start takes longer than that patience where much is going on
        await later.ensure()
        await later.release()

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
