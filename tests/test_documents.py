"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.cli import entry
from scheduled_prompts.limits import Limits
from scheduled_prompts.settings import EngineSettings, Settings
from scheduled_prompts.store.connection import KINDS
from tests.test_floors import HOUSE, TIMELESS

ROOT = Path(__file__).parent.parent


TABLES = ("engine", "policies", "limits", "approval", "budgets", "owners", "runners", "concurrency")
"""Settings that are a table of their own."""


def rows(document: str) -> dict[str, str]:
    """Setting and default, from the tables of a document."""
    return dict(re.findall(r"^\| `([a-z]\w+)` \| (.*?) \|", (ROOT / "docs" / document).read_text(), re.MULTILINE))


def test_every_setting_is_documented_with_its_default() -> None:
    documented = rows("configuration.md")
    defaults = {
        name: field.default
        for model in (Settings, EngineSettings, Limits, Budgets, Approval)
        for name, field in model.model_fields.items()
        if model is Approval or name not in TABLES
    }
    assert documented.keys() - {"log", "command", "python", "webhook"} == defaults.keys()
    for name, default in defaults.items():
        if default not in (None, ()):
            said = documented[name].strip("`")
            assert said == (
                str(default).lower()
                if isinstance(default, bool)
                else f'"{default}"'
                if isinstance(default, str)
                else str(default)
            ), name


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert "://" in target or (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("document", ["embedding.md"])
def test_programs_in_the_documents_run(document: str, tmp_path: Path) -> None:
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL)
    assert programs
    for program in programs:
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr


def section(number: int) -> str:
    """Of the design."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    return text.split(f"\n## {number}. ")[1].split("\n## ")[0]


def test_the_design_names_every_command_and_every_option_of_add() -> None:
    app = entry._command()
    names = section(11)
    said = set(re.findall(r"`([a-z][a-z-]*)[^`]*`", names.split("\nCommands: ")[1].split("\n")[0]))
    assert said == {name for name, command in app.commands.items() if not command.hidden}
    options = {option for each in app.commands["add"].params for option in each.opts if option.startswith("--")}
    told = set(re.findall(r"`(--[a-z-]+)", names.split("\nOptions of `add`: ")[1].split("\n\n")[0]))
    assert told == options - {"--help"}


def test_the_map_names_every_room() -> None:
    rooms = {path.name + "/" * path.is_dir() for path in HOUSE.iterdir() if path.suffix == ".py" or path.is_dir()}
    mapped = set(re.findall(r"[\w.]+/?", section(3).split("```")[1]))
    assert sorted(rooms - {"__pycache__/"} - mapped) == []


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_where_time_comes_from_the_clock_is_said_as_it_is_checked(document: str) -> None:
    text = " ".join((ROOT / document).read_text().split())
    [rule] = re.findall(r"[Nn]o wall clock, sleep or randomness in (.*?) but", text)
    assert set(re.findall(r"`(.*?)`", rule)) == {name if name.endswith(".py") else f"{name}/" for name in TIMELESS}


def test_the_design_names_no_store_that_is_not_supported() -> None:
    urls = "".join(re.findall(r"^\| `.*?\|", section(9), re.MULTILINE))
    assert {scheme for scheme in re.findall(r"`([a-z+]+:)", urls) if scheme not in KINDS} == set()
