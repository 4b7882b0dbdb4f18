"""Runners by name, from the configuration.

A table `[runners.echo]` names a `kind`; its other keys are the options of that kind's class. Kinds come from
the entry point group `scheduled_prompts.runners`, whose entries name a class (or a function) that takes the
options as keyword arguments and gives a runner. The kinds of this package are known without entry points, so
that a checkout works.

What is wrong in the configuration stops the start: InvalidConfig names the runner and the option. What is
wrong with a package that brings a kind harms only the runners of that kind: their fires fail, and say why,
and are tried again as their prompts say; the others work.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import structlog
from pydantic import TypeAdapter, ValidationError

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import Fire
from scheduled_prompts.names import Name
from scheduled_prompts.runners.contract import Runner
from scheduled_prompts.runners.log import LogRunner
from scheduled_prompts.runners.python import as_runner

GROUP = "scheduled_prompts.runners"
DEFAULT_RUNNER = "log"
BUILT_IN = {
    "command": "scheduled_prompts.runners.command:CommandRunner",
    "log": "scheduled_prompts.runners.log:LogRunner",
    "python": "scheduled_prompts.runners.python:PythonRunner",
    "webhook": "scheduled_prompts.runners.webhook:WebhookRunner",
}

Kind = Callable[..., object]

log = structlog.get_logger("scheduled_prompts.runners.registry")
_names = TypeAdapter(Name)


class UnavailableRunner:
    """Stands where a runner's kind could not be loaded: each fire fails, saying why."""

    def __init__(self, problem: str) -> None:
        self.problem = problem

    async def run(self, fire: Fire) -> NoReturn:  # noqa: ARG002 - the contract's signature
        raise RuntimeError(self.problem)


def build_runners(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Runner]:
    """The configured runners by name, and `log`, which is always there. Raises InvalidConfig."""
    runners: dict[str, Runner] = {DEFAULT_RUNNER: LogRunner()}
    kinds = _known_kinds()
    for name, options in config.items():
        _check_name(name)
        if not isinstance(options, Mapping):
            raise InvalidConfig(
                f"runner {name!r}: expected a table, not {options!r}",
                hint=f'[runners.{name}]\nkind = "command"\nargv = ["cat"]',
            )
        try:
            runners[name] = _build(options, kinds)
        except InvalidConfig as error:
            raise InvalidConfig(f"runner {name!r}: {error.message}", hint=error.hint) from error
        except _LoadError as error:
            problem = f"runner {name!r}: {error}"
            log.error("runner unavailable", problem=problem, exc_info=error.__cause__)
            runners[name] = UnavailableRunner(problem)
    return runners


class _LoadError(Exception):
    pass


def _known_kinds() -> dict[str, EntryPoint]:
    """Kinds by name. This package's own win over others of the same name."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return found | {name: EntryPoint(name, target, GROUP) for name, target in BUILT_IN.items()}


def _build(options: Mapping[str, Any], kinds: Mapping[str, EntryPoint]) -> Runner:
    rest = dict(options)
    kind_name = rest.pop("kind", None)
    hint = f"the kinds are: {', '.join(sorted(kinds))}"
    if kind_name is None:
        raise InvalidConfig("it has no kind", hint=hint)
    entry = kinds.get(kind_name) if isinstance(kind_name, str) else None
    if entry is None:
        raise InvalidConfig(f"there is no kind {kind_name!r}", hint=hint)
    kind = _load(entry)
    _check_options(kind, entry.name, rest)
    try:
        return as_runner(kind(**rest))
    except InvalidConfig:
        raise
    except Exception as error:
        raise InvalidConfig(f"kind {entry.name!r} refused its options: {type(error).__name__}: {error}") from error


def _load(entry: EntryPoint) -> Kind:
    try:
        kind = entry.load()
    except (Exception, SystemExit) as error:
        raise _LoadError(
            f"kind {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not callable(kind):
        raise _LoadError(f"kind {entry.name!r} ({entry.value}) is neither a class nor a function")
    return kind  # type: ignore[no-any-return]  # an entry point may hold anything; it can be called


def _check_name(name: object) -> None:
    try:
        _names.validate_python(name, strict=True)
    except ValidationError as error:
        raise InvalidConfig(
            f"{name!r} cannot be a runner's name",
            hint="1 to 128 characters, without blanks, control characters, /, :, { and }",
        ) from error


def _check_options(kind: Kind, kind_name: str, options: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):  # written in C: calling it will tell
        return
    named = {p.name: p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    takes = f"kind {kind_name!r} takes: {', '.join(named)}" if named else f"kind {kind_name!r} takes no options"
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for option in options:
            if option not in named:
                raise InvalidConfig(f"unknown option {option!r}", hint=takes)
    for parameter in named.values():
        if parameter.default is parameter.empty and parameter.name not in options:
            raise InvalidConfig(f"option {parameter.name!r} is missing", hint=takes)
