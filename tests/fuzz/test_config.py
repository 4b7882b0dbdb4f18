"""Whatever stands in a configuration file, or in the environment: it is read, or refused as a wrong configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.settings import Settings, load_settings
from tests.fuzz.effort import at_once, tries
from tests.fuzz.mutations import ODD, texts

DOCUMENTED = Path(__file__).parents[2] / "docs" / "configuration.md"
FILES = re.findall(r"```toml\n(.*?)```", DOCUMENTED.read_text("utf-8"), re.DOTALL)
LINES = sorted({line for file in FILES for line in file.splitlines() if "=" in line or line.startswith("[")})
INNER = ("ENGINE__SLOTS", "LIMITS__FIRES_PER_OWNER", "ENGINE__", "__", "RUNNERS__A__B")
NAMES = sorted(f"SCHEDULED_PROMPTS_{name}" for name in (*(field.upper() for field in Settings.model_fields), *INNER))
VALUES = [
    "10",
    "1.5",
    "true",
    "embedded:",
    "Europe/Berlin",
    '{"slots": 3}',
    "[]",
    "log",
    "[[[",
    "{",
    '{"a": {"b": {}}}',
]

SAID_NAMES = st.one_of(st.sampled_from(NAMES), texts(NAMES))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("SCHEDULED_PROMPTS_")]:
        del os.environ[name]
    yield tmp_path_factory.mktemp("config") / "x.toml"
    os.environ.clear()
    os.environ.update(before)


def load(file: Path) -> None:
    try:
        at_once(lambda: load_settings(str(file)))
    except InvalidConfig as error:
        said = str(error)
        assert "Traceback" not in said
        assert "pydantic" not in said


@tries(30)
@given(st.one_of(st.lists(st.one_of(st.sampled_from(LINES), texts(LINES)), max_size=6).map("\n".join), texts(FILES)))
def test_whatever_stands_in_the_file(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    load(file)


@tries(10, share=0.2)
@given(st.binary(max_size=200))
def test_a_file_that_is_no_text(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    load(file)


@tries(30)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(NAMES), texts(NAMES)), st.one_of(texts(VALUES), st.sampled_from(ODD)), max_size=3
    )
)
def test_whatever_stands_in_the_environment(file: Path, variables: dict[str, Any]) -> None:
    file.write_text("")
    fit = {
        name: value
        for name, value in variables.items()
        if name and "=" not in name and "\0" not in name + value and _encodes(name) and _encodes(value)
    }
    before = dict(os.environ)
    os.environ.update(fit)
    try:
        load(file)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _encodes(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def test_numbers_and_depths_that_nobody_means(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (f"[policies]\ntimeout = {'9' * 5000}\n", f"platforms = {'[' * 5000}\n"):
        file.write_text(text)
        with pytest.raises(InvalidConfig):
            load_settings(str(file))
    file.write_text("")
    monkeypatch.setenv("SCHEDULED_PROMPTS_BUDGETS", "[" * 100_000)
    with pytest.raises(InvalidConfig):
        load_settings(str(file))
