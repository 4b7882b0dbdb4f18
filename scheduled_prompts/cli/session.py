"""Where a command works: the settings, and a scheduler on the store that they and the command line name."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from scheduled_prompts.cli.bearer import token_here, who
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import command_name
from scheduled_prompts.errors import Forbidden
from scheduled_prompts.prompt import Definition
from scheduled_prompts.scheduler import HouseRules, Scheduler
from scheduled_prompts.settings import Settings, load_settings

_PASSWORD = re.compile(r"(://[^/@]*:)[^/]*@")


def chosen_settings(choices: Choices) -> Settings:
    """The settings, with what the command line says over them. Raises InvalidConfig."""
    settings = load_settings(choices.config)
    return settings if choices.store is None else settings.model_copy(update={"store": choices.store})


def closed_scheduler(settings: Settings) -> Scheduler:
    """A scheduler that has not spoken to its store yet."""
    rules = house_rules(settings)
    return Scheduler(
        settings.store,
        namespace=settings.namespace,
        runner=settings.runner,
        platform=settings.platform,
        actor=_me(),
        **rules,
    )


def house_rules(settings: Settings) -> HouseRules:
    """Of all who schedule here, and of the daemon."""
    return {
        "timezone": settings.timezone,
        "policies": settings.policies,
        "owners": settings.owners,
        "limits": settings.limits,
        "approval": settings.approval,
        "budgets": settings.budgets,
    }


def _me() -> str:
    """Who types: as the operating system knows them, whatever the environment says."""
    user = str(os.geteuid())
    with suppress(KeyError):  # a container's user often has no name
        user = pwd.getpwuid(os.geteuid()).pw_name
    return f"cli:{user}"


@asynccontextmanager
async def open_scheduler(settings: Settings) -> AsyncIterator[Scheduler]:
    """Whoever typed; or, with a token in the environment, whoever that was made for. Raises TokenRefused."""
    async with closed_scheduler(settings) as scheduler:
        token = token_here()
        if token is None:
            yield scheduler
            return
        bound = await scheduler.as_bearer(token)
        assert bound.caller is not None
        try:
            yield bound
        except Forbidden as error:
            error.hint = "; ".join(words for words in (error.hint, who(bound.caller)) if words)
            raise


async def why_unserved(
    scheduler: Scheduler, prompt: Definition, settings: Settings, choices: Choices
) -> tuple[str, str] | None:
    """Why this prompt would not fire as things are, and what to do; None where a live daemon serves it."""
    if not scheduler.store.remembers:
        return "memory: is forgotten when this command ends", "name a store that lasts, such as --store embedded:"
    from scheduled_prompts.cli.halting import halt_warning

    if warning := halt_warning(await scheduler.halted(), scheduler, choices):
        return warning
    problem = await scheduler.why_unserved(prompt)
    if problem is None:
        return None
    if scheduler.caller is not None:
        return problem, "whoever runs the service has to see to it"
    alive = await scheduler.daemons()
    if not alive:
        if prompt.runner not in (*settings.runners, "log"):
            problem += f", and the configuration here has no runner {prompt.runner!r}"
        return f"{problem}: nothing fires until one runs", f"start one: {command_line(choices, 'serve')}"
    if any(prompt.runner in daemon.runners for daemon in alive):
        return problem, f"start one that does: {command_line(choices, 'serve', '--platform', prompt.platform)}"
    return problem, f"put [runners.{prompt.runner}] into a daemon's configuration, and start that daemon again"


def command_line(choices: Choices, *words: str) -> str:
    """A command for the same store and configuration, to be typed. A password in the store's URL is left out."""
    import shlex

    said = list(words)
    if choices.store is not None:
        said += ["--store", _PASSWORD.sub(r"\1***@", choices.store)]
    if choices.config is not None:
        said += ["--config", choices.config]
    return shlex.join([command_name(), *said])
