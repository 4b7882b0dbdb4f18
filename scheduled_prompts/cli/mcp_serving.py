"""`mcp`: the tools for MCP clients. What is loaded before a client's first question is answered is kept small."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from scheduled_prompts.cli.ancestors import found_above
from scheduled_prompts.cli.bearer import VARIABLE, token_here
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import CommandFailed, write_document, write_lines, write_note
from scheduled_prompts.cli.signals import ended_by_signals
from scheduled_prompts.errors import Forbidden, InvalidInput, ScheduledPromptsError

if TYPE_CHECKING:
    from scheduled_prompts.caller import Caller
    from scheduled_prompts.mcp.http import Address
    from scheduled_prompts.scheduler import Scheduler


class Said(NamedTuple):
    """What the command line says of who calls."""

    owner: str | None
    agent: str | None
    conversation: str | None
    platform: str | None
    allow_runner: Sequence[str] | None
    scope: Sequence[str] | None

    def caller(self) -> Caller:
        """Raises InvalidInput for what cannot be a name, or is no scope."""
        from pydantic import ValidationError

        from scheduled_prompts.caller import Caller, Scope

        said = {field: value for field, value in self._asdict().items() if value}
        flags = {"runners": "allow_runner", "scopes": "scope"}
        try:
            return Caller.model_validate({_field_of(flag): value for flag, value in said.items()})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            field = str(problem["loc"][0])
            flag = "--" + flags.get(field, field).replace("_", "-")
            if field == "scopes":
                hint = "one of: " + ", ".join(Scope)
            else:
                hint = "1 to 128 characters, without blanks, control characters, /, :, { and }"
            raise InvalidInput(f"{flag} {problem['input']!r} cannot be used", hint=hint) from error

    def refuse_any(self, why: str) -> None:
        """Raises InvalidInput where anything was said."""
        said = [f"--{flag.replace('_', '-')}" for flag, value in self._asdict().items() if value]
        if said:
            raise InvalidInput(f"{' and '.join(said)} cannot be given here", hint=why)


def _field_of(flag: str) -> str:
    return {"allow_runner": "runners", "scope": "scopes"}.get(flag, flag)


async def serve(choices: Choices, said: Said, *, http: str | None, public_names: Sequence[str]) -> None:
    """Serve until the client has gone, or a signal comes."""
    if importlib.util.find_spec("mcp") is None:
        raise CommandFailed("the MCP server needs the package mcp", hint="pip install 'scheduled-prompts[mcp]'")
    if http is not None:
        await _serve_http(choices, said, http, public_names)
        return
    if public_names:
        raise InvalidInput("--public-name goes with --http")
    who: Caller | str
    token = token_here()
    if token is None:
        _refuse_where_a_token_was_lost()
        who = said.caller()
    else:
        said.refuse_any(f"{VARIABLE} says who calls")
        who = token
    gc.disable()  # nothing of what is loaded now is ever garbage; looking for some takes a tenth of the time
    from scheduled_prompts.mcp.stdio import serve_stdio

    gc.freeze()
    gc.enable()
    if sys.stdin.isatty():
        write_note("this speaks MCP on stdin and stdout: a client starts it by itself. Ctrl-C ends it")
    with ended_by_signals():
        await serve_stdio(lambda: _scheduler(choices), who)


def _refuse_where_a_token_was_lost() -> None:
    """Raises Forbidden where the client runs inside a fire, and did not hand on what says so."""
    if VARIABLE not in os.environ and found_above(VARIABLE):
        raise Forbidden(
            f"the client has a {VARIABLE}, and did not hand it on: it may act for that agent alone",
            hint=f"let the client's configuration of this server name {VARIABLE}, and _STORE and _NAMESPACE beside it",
        )


def _scheduler(choices: Choices) -> Scheduler:
    """Of the settings, not open yet. Raises InvalidConfig."""
    import logging

    import structlog

    from scheduled_prompts.cli.logs import configure_logs
    from scheduled_prompts.cli.session import chosen_settings, closed_scheduler

    # Clients show what is said on stderr as errors: there is nothing to say while all is well.
    try:
        settings = chosen_settings(choices)
    except ScheduledPromptsError:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        raise
    configure_logs("warning" if settings.log_level == "info" else settings.log_level, settings.log_format)
    return closed_scheduler(settings)


async def _serve_http(choices: Choices, said: Said, http: str, public_names: Sequence[str]) -> None:
    from scheduled_prompts.cli.logs import configure_logs, flush_logs
    from scheduled_prompts.cli.session import chosen_settings, closed_scheduler
    from scheduled_prompts.mcp.http import address, serve_http

    if token_here() is not None:
        raise Forbidden(f"a server for others is not to be had with {VARIABLE}", hint="ask whoever runs the service")
    said.refuse_any("over HTTP the bearer token of each request says who calls: see `token make`")
    try:
        where = address(http)
    except ValueError as error:
        raise InvalidInput(f"--http {error}") from error
    settings = chosen_settings(choices)
    configure_logs(settings.log_level, settings.log_format)
    scheduler = closed_scheduler(settings)
    try:
        with ended_by_signals():
            await serve_http(
                scheduler, where, public_names, when_ready=lambda bound: _say_where(choices, scheduler, bound)
            )
    finally:
        flush_logs()


def _say_where(choices: Choices, scheduler: Scheduler, bound: Address) -> None:
    from scheduled_prompts.mcp.door import PATH
    from scheduled_prompts.version import VERSION

    url = f"http://{bound}{PATH}"
    facts: Mapping[str, object] = {"url": url, "pid": os.getpid(), "version": VERSION}
    if choices.as_json:
        write_document({**facts, "store": scheduler.store.description})
        return
    from scheduled_prompts.cli.session import command_line

    lines = [f"scheduled-prompts {VERSION} serves MCP clients", f"  {'url':<10} {url}"]
    lines += [f"  {'store':<10} {scheduler.store.description}"]
    lines += [f"  {'let one in':<10} {command_line(choices, 'token', 'make', '--agent', 'NAME')}"]
    write_lines("\n".join([*lines, f"  {'stop':<10} Ctrl-C"]))
