"""Runners from the configuration: what works, and what is said about what does not."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import sys
import tomllib
import types
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.runners import registry
from scheduled_prompts.runners.command import CommandRunner
from scheduled_prompts.runners.log import LogRunner
from scheduled_prompts.runners.python import FunctionRunner, PythonRunner
from scheduled_prompts.runners.registry import BUILT_IN, GROUP, build_runners


def table(toml: str) -> dict[str, Any]:
    runners: dict[str, Any] = tomllib.loads(toml)["runners"]
    return runners


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package that brings kinds: `good`, `function`, `picky`, and the broken `absent` and `lost`."""
    module = types.ModuleType("third_party_runners")

    class Good:
        def __init__(self, *, model: str, temperature: float = 0.0) -> None:
            self.model = model

        async def run(self, fire: Fire) -> str:
            return self.model

    class Picky:
        def __init__(self, **options: object) -> None:
            raise ValueError(f"not {options}")

    def function(**options: object) -> object:
        return lambda fire: str(options)

    module.__dict__.update(Good=Good, Picky=Picky, function=function)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    targets = {
        "good": "third_party_runners:Good",
        "function": "third_party_runners:function",
        "picky": "third_party_runners:Picky",
        "absent": "third_party_runners_that_are_absent:Runner",
        "lost": "third_party_runners:Lost",
        "command": "third_party_runners:Good",
    }
    entries = [importlib.metadata.EntryPoint(name, value, GROUP) for name, value in targets.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    return module


def test_without_configuration_there_is_the_log() -> None:
    runners = build_runners({})
    assert set(runners) == {"log"}
    assert isinstance(runners["log"], LogRunner)


def test_the_example_of_the_manual_works() -> None:
    runners = build_runners(table('[runners.echo]\nkind = "command"\nargv = ["cat"]'))
    assert set(runners) == {"log", "echo"}
    assert isinstance(runners["echo"], CommandRunner)
    assert runners["echo"].argv == ["cat"]


def test_options_reach_the_runner() -> None:
    config = table("""
        [runners.echo]
        kind = "command"
        argv = ["cat"]
        cwd = "/tmp"
        kill_after = 1
        env = { LANG = "C" }
        [runners.own]
        kind = "python"
        target = "json:dumps"
    """)
    runners = build_runners(config)
    assert isinstance(runners["echo"], CommandRunner)
    assert (runners["echo"].cwd, runners["echo"].kill_after, runners["echo"].env) == (
        "/tmp",
        1.0,
        {"LANG": "C"},
    )
    assert isinstance(runners["own"], PythonRunner)


def test_the_log_can_be_configured_otherwise() -> None:
    assert isinstance(build_runners({"log": {"kind": "command", "argv": ["cat"]}})["log"], CommandRunner)


def test_the_configuration_is_left_as_it_was() -> None:
    config = {"echo": {"kind": "command", "argv": ["cat"]}}
    build_runners(config)
    assert config == {"echo": {"kind": "command", "argv": ["cat"]}}


@pytest.mark.parametrize(
    ("toml", "message", "hint"),
    [
        ('[runners]\necho = "cat"', "runner 'echo': expected a table, not 'cat'", "[runners.echo]"),
        ("[runners.echo]\nargv = []", "runner 'echo': it has no kind", "command, log, python"),
        (
            '[runners.echo]\nkind = "comand"',
            "runner 'echo': there is no kind 'comand'",
            "command, log, python",
        ),
        ("[runners.echo]\nkind = 7", "runner 'echo': there is no kind 7", "command, log, python"),
        ('[runners.echo]\nkind = ["log"]', "runner 'echo': there is no kind ['log']", "command, log, python"),
        ('[runners.echo]\nkind = "command"', "runner 'echo': option 'argv' is missing", "argv, cwd, env"),
        (
            '[runners.echo]\nkind = "command"\nargv = ["cat"]\nshell = true',
            "runner 'echo': unknown option 'shell'",
            "kind 'command' takes: argv, cwd, env, kill_after",
        ),
        (
            '[runners.echo]\nkind = "command"\nargv = "cat -n"',
            "runner 'echo': argv must be a list of texts",
            'argv = ["cat", "-n"]',
        ),
        (
            '[runners.own]\nkind = "log"\nlevel = "info"',
            "runner 'own': unknown option 'level'",
            "takes no options",
        ),
        (
            '[runners.own]\nkind = "python"\ntarget = "x"',
            "runner 'own': target 'x'",
            "package.module:function",
        ),
        ('[runners."a b"]\nkind = "log"', "'a b' cannot be a runner's name", "without blanks"),
        ('[runners."a/b"]\nkind = "log"', "'a/b' cannot be a runner's name", "without blanks"),
    ],
)
def test_what_is_wrong_is_named_with_its_runner(toml: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidConfig, match=re.escape(message)) as caught:
        build_runners(table(toml))
    assert hint in (caught.value.hint or "")


def test_kinds_of_other_packages_are_found(third_party: types.ModuleType) -> None:
    runners = build_runners({"clever": {"kind": "good", "model": "m"}, "plain": {"kind": "function", "x": 1}})
    assert isinstance(runners["clever"], third_party.Good)
    assert isinstance(runners["plain"], FunctionRunner)
    with pytest.raises(InvalidConfig, match="unknown option 'modle'"):
        build_runners({"clever": {"kind": "good", "modle": "m"}})
    with pytest.raises(InvalidConfig) as caught:
        build_runners({"clever": {"kind": "god"}})
    assert "absent, command, function, good, log, lost, picky, python" in (caught.value.hint or "")


def test_other_packages_cannot_replace_the_kinds_of_this_one(third_party: types.ModuleType) -> None:
    assert isinstance(build_runners({"echo": {"kind": "command", "argv": ["cat"]}})["echo"], CommandRunner)


def test_a_kind_that_refuses_its_options_is_a_configuration_error(third_party: types.ModuleType) -> None:
    with pytest.raises(InvalidConfig, match=r"runner 'p': kind 'picky' refused its options: ValueError: not"):
        build_runners({"p": {"kind": "picky", "a": 1}})


@pytest.mark.parametrize("kind", ["absent", "lost"])
def test_a_broken_package_harms_only_the_runners_that_use_it(third_party: types.ModuleType, kind: str) -> None:
    with capture_logs() as logs:
        assert set(build_runners({})) == {"log"}
        assert logs == []
        runners = build_runners({"clever": {"kind": kind, "a": 1}, "echo": {"kind": "command", "argv": ["cat"]}})
    assert isinstance(runners["echo"], CommandRunner)
    assert [line["log_level"] for line in logs] == ["error"]
    fire = Fire(
        id="x",
        prompt_id="x",
        version=1,
        status=FireStatus.RUNNING,
        nominal=0,
        due=0,
        runner="clever",
        platform="p",
    )
    with pytest.raises(RuntimeError, match=rf"runner 'clever': kind '{kind}' .* cannot be loaded"):
        asyncio.run(runners["clever"].run(fire))


def test_the_kinds_known_here_are_those_of_the_package_metadata() -> None:
    from pathlib import Path

    metadata = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert metadata["project"]["entry-points"][GROUP] == BUILT_IN
