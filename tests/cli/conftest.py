"""The command line under test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.cli_driver import CommandLine


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
