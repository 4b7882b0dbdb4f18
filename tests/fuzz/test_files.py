"""Whatever stands in a file that is applied or imported: it is refused in words, and nothing is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.effort import at_once, tries
from tests.fuzz.mutations import texts
from tests.fuzz.test_command_line import judge, typed

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
TOML = re.findall(r"```toml\n(.*?)```", DOCUMENTED, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", DOCUMENTED, re.DOTALL)
PROMPT = {
    "id": "01KDVDNA0000MPA4S71RK9W39Q",
    "status": "active",
    "created_at": "2026-01-01T00:00:00.000+00:00",
    "definition": {"text": "x", "schedule": {"kind": "cron", "expression": "0 9 * * *"}, "schema": 1},
}
EXPORTED = [json.dumps({"schema": 1, "exported_at": "2026-01-01T00:00:00.000+00:00", "prompts": [PROMPT]})]
KINDS = {"toml": ("apply", TOML), "yaml": ("apply", YAML), "json": ("import", EXPORTED)}


@pytest.mark.parametrize("kind", KINDS)
@tries(8, share=0.3)
@given(data=st.data(), as_json=st.booleans())
def test_whatever_stands_in_a_file(
    kind: str, data: st.DataObject, as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, seeds = KINDS[kind]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCHEDULED_PROMPTS_STORE", "memory:files")
    (tmp_path / "tick.md").write_text("tick")
    file = tmp_path / f"x.{kind}"
    file.write_bytes(data.draw(texts(seeds)).encode("utf-8", "surrogatepass"))
    line = [command, str(file), "--dry-run", *(["--json"] if as_json else [])]
    judge(at_once(lambda: typed(*line)), as_json=as_json)
