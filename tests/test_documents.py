"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.limits import Limits
from scheduled_prompts.settings import EngineSettings, Settings

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
