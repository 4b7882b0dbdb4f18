"""The command line under test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.cli.cli_driver import CommandLine
from tests.conftest import RealServer


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    for name in [name for name in os.environ if name.startswith("SCHEDULED_PROMPTS_")]:
        monkeypatch.delenv(name)
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)  # no configuration file lies there
    (tmp_path / "berlin.toml").write_text('timezone = "Europe/Berlin"\n')
    monkeypatch.setenv("SCHEDULED_PROMPTS_CONFIG", str(tmp_path / "berlin.toml"))
    return CommandLine(capsys, monkeypatch)


@pytest.fixture
def server_cli(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, real_server: RealServer) -> Iterator[CommandLine]:
    """The command line on a real server, which outlives a command."""
    cli.store = f"{real_server.url}?db=9"
    monkeypatch.setenv("SCHEDULED_PROMPTS_STORE", cli.store)
    with redis.Redis(unix_socket_path=str(real_server.socket), db=9) as client:
        client.flushdb()
        yield cli
        client.flushdb()
