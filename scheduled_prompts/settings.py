"""Every setting, its default, and where it comes from: the config file, then the environment, which wins.

The file is `scheduled-prompts.toml` in the working directory (or what `SCHEDULED_PROMPTS_CONFIG` names); each
variable is the setting's name in capitals behind `SCHEDULED_PROMPTS_`. Durations are in seconds.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.durations import seconds
from scheduled_prompts.errors import InvalidConfig, complaint
from scheduled_prompts.limits import MOST_DAYS, Limits
from scheduled_prompts.names import Name, misnamed
from scheduled_prompts.policies import OwnerPolicies, Policies

PREFIX = "SCHEDULED_PROMPTS_"
_OTHER_VARIABLES = {"config", "debug", "token"}
"""Variables that are no settings; `token` is on whose behalf the command line acts."""
_OF_A_FIRE = {"fire_file", "fire_id", "prompt_id", "nominal", "due", "attempt", "usage_file"}
"""What a `command` runner's child finds."""
_NO_DURATIONS = {"retry_factor", "retry_jitter"}
"""Numbers that may have a fraction and are no seconds, and no days."""
DEFAULT_FILE = "scheduled-prompts.toml"

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EngineSettings(BaseModel):
    """How a daemon works. The defaults suit one daemon as well as ten."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: Annotated[int, Field(ge=1, le=100_000)] = 100
    """How many fires run at once in one daemon."""
    platforms: tuple[Name, ...] | None = None
    """The platforms that are served; None: all."""
    lease: Annotated[float, Field(ge=0.5, allow_inf_nan=False)] = 60.0
    """How long a fire stays a daemon's without a sign of life."""
    max_crashes: Annotated[int, Field(ge=1)] = 3
    """A fire that lost its daemon this often is not run again."""
    drain: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 8.0
    """How long running fires may go on after a stop was asked for."""
    sweep_period: Seconds = 60.0
    late_spread: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Over how long those are spread that are more than a minute late; 0: they all fire at once."""
    watch_period: Seconds = 0.25
    """How often a daemon looks for what another one left lying."""
    heartbeat_period: Seconds = 4.0
    retention_days: Annotated[float, Field(ge=0, le=MOST_DAYS, allow_inf_nan=False)] = 30.0
    """Ended prompts and old fires are deleted after this many days."""
    cleanup_period: Seconds = 3600.0
    keep_fires: Annotated[int, Field(ge=1)] = 1000
    """How many fires of one prompt are kept."""

    @property
    def lease_ms(self) -> int:
        return round(self.lease * 1000)

    @property
    def renewal_period(self) -> float:
        return self.lease / 4


class Settings(BaseSettings):
    """What the command line and the daemon are started with."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_nested_delimiter="__")

    store: str = "embedded:"
    namespace: Name = "sp"
    timezone: str | None = None
    """The zone of prompts that name none; None: the system's."""
    runner: Name = "log"
    """The runner of prompts that name none."""
    platform: Name = "default"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    log_prompts: bool = False
    """Whether prompts' texts may appear in the daemon's log."""
    policies: Policies = Policies()
    """Those of prompts that say nothing else."""
    owners: dict[Name, OwnerPolicies] = Field(default_factory=dict)
    """By owner: what its prompts get instead."""
    limits: Limits = Limits()
    approval: Approval = Approval()
    """What agents ask for and a person is to approve."""
    engine: EngineSettings = EngineSettings()
    budgets: Budgets = Budgets()
    runners: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """By name: `kind`, and what that kind takes."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (the signature is pydantic-settings')
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller passes are the file's values; the environment goes before them."""
        return env_settings, init_settings


def load_settings(config: str | Path | None = None) -> Settings:
    """The settings from a file (the default one may be absent) and the environment.

    Raises InvalidConfig, naming the file or variable and the value.
    """
    named = config or os.environ.get(PREFIX + "CONFIG")
    path = Path(named) if named else Path(DEFAULT_FILE)
    _refuse_unknown_variables()
    values = _read(path, required=named is not None)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise InvalidConfig(_explain(error, path)) from error
    except SettingsError as error:  # a variable that should hold JSON and does not
        raise InvalidConfig(_explain_json(error)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidConfig("a variable holds a number, or lists in lists, that nobody can read") from error


def _refuse_unknown_variables() -> None:
    for variable in os.environ:
        if not variable.upper().startswith(PREFIX):
            continue
        name = variable.upper().removeprefix(PREFIX).lower().split("__")[0]
        if name not in Settings.model_fields and name not in _OTHER_VARIABLES | _OF_A_FIRE:
            near = difflib.get_close_matches(name, Settings.model_fields, 1)
            hint = f"did you mean {PREFIX}{near[0].upper()}?" if near else None
            raise InvalidConfig(f"{variable}: there is no such setting", hint=hint)


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        if required:
            raise InvalidConfig(f"there is no config file {str(path)!r}") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{path} cannot be read: {error}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{path} is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidConfig(f"{path} holds a number, or lists in lists, that nobody can read") from error


def _explain(error: ValidationError, path: Path) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        place = [str(part) for part in problem["loc"]]
        source = _variable_of(place) or f"{path}, {'.'.join(place)}"
        lines.append(f"{source}: {_wrong(problem, place)}")
    return "; ".join(lines)


def _wrong(problem: Any, place: list[str]) -> str:
    given = problem["input"]
    if problem["type"] == "extra_forbidden":
        return _unknown(place)
    if place == ["runner"] and isinstance(given, dict):
        holds_runners = bool(given) and all(isinstance(value, dict) for value in given.values())
        meant = next(iter(given)) if holds_runners else "<name>"
        return f"it should be a name (did you mean [runners.{meant}]?)"
    if problem["type"] == "float_parsing":
        return _no_number(given, next(part for part in reversed(place) if not part.isdecimal()))
    return misnamed(problem) or complaint(problem["msg"], repr(given))


def _no_number(given: str, name: str) -> str:
    """What is said of a text where a number should be, with the number that was meant where it is a duration."""
    unit, length = ("days", 86_400.0) if name.endswith("_days") else ("seconds", 1.0)
    if name in _NO_DURATIONS:
        return complaint("it should be a number", repr(given))
    try:
        return f"it should be a number of {unit}: {seconds(given) / length:.15g}, not {given!r}"
    except ValueError:
        return complaint(f"it should be a number of {unit}", repr(given))


def _unknown(place: list[str]) -> str:
    """That there is no such setting, with the one that was meant: by its variable, where that is how it was said."""
    variable = _variable_of(place)
    by_name = variable is not None and variable.upper() == _variable(place)
    what = "no such setting" if variable is None or by_name else f"no setting {'.'.join(place)!r}"
    near = _near(place)
    if near is None:
        return f"there is {what}"
    return f"there is {what} (did you mean {_variable(near) if by_name else repr('.'.join(near))}?)"


def _near(place: list[str]) -> list[str] | None:
    """The same name in another section, else a similar one in the same."""
    *section, name = place
    if name in Settings.model_fields:
        return [name]
    for holder, field in Settings.model_fields.items():
        if name in getattr(field.annotation, "model_fields", ()):
            return [holder, name]
    near = difflib.get_close_matches(name, _section(section).model_fields, 1)
    return [*section, near[0]] if near else None


def _section(place: list[str]) -> type[BaseModel]:
    """The model of a table, by its place: a setting's own, or that of each in a table of them."""
    kind: Any = Settings
    for part in place:
        kind = get_args(kind)[1] if get_origin(kind) is dict else kind.model_fields[part].annotation
    return kind  # type: ignore[no-any-return]


def _variable(place: list[str]) -> str:
    return PREFIX + "__".join(place).upper()


def _variable_of(place: list[str]) -> str | None:
    """The variable that a value comes from, or a whole that holds it; None where it comes from the file."""
    variables = {name.upper(): name for name in os.environ}
    for length in range(len(place), 0, -1):
        found = variables.get(_variable(place[:length]))
        if found is not None:
            return found
    return None


def _explain_json(error: SettingsError) -> str:
    for name in Settings.model_fields:
        variable = _variable_of([name])
        if variable is not None and f'"{name}"' in str(error):
            return f"{variable}: JSON is expected (it is {os.environ[variable]!r})"
    return f"the environment: {error}"
