"""`serve`: the daemon, from its settings to its graceful end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from scheduled_prompts.cli.halting import halt_in_words, halt_view
from scheduled_prompts.cli.logs import configure_logs, flush_logs
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import CommandFailed, write_document
from scheduled_prompts.cli.service_manager import ServiceManager
from scheduled_prompts.cli.session import chosen_settings, command_line, house_rules
from scheduled_prompts.engine.daemon import LAST_WORDS, Daemon
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.runners.registry import build_runners
from scheduled_prompts.schedule import system_timezone
from scheduled_prompts.settings import EngineSettings, Settings
from scheduled_prompts.store.records import ALL
from scheduled_prompts.version import VERSION

log = structlog.get_logger("scheduled_prompts.cli.serve")

FAREWELLS = 5 * LAST_WORDS
"""Seconds that a stop may take once the drain is over: what is being taken, the runners that tidy up, the writing of
the ends, and the goodbye to the store each have their bound."""


async def serve(choices: Choices, *, slots: int | None, platforms: list[str] | None) -> None:
    """Serve until a signal comes. Raises InvalidConfig, InvalidInput, StoreUnreachable, StoreUnusable."""
    service_manager = ServiceManager.from_environment(os.environ)
    settings = chosen_settings(choices)
    engine = _engine_settings(settings.engine, slots, platforms)
    configure_logs(settings.log_level, settings.log_format, settings.log_prompts)
    try:
        daemon = Daemon(
            settings.store,
            runners=build_runners(settings.runners),
            settings=engine,
            namespace=settings.namespace,
            **house_rules(settings),
        )
        _warn_of_a_missing_default(settings.runner, daemon)
        service_manager.warn_of_a_short_watchdog(engine.sweep_period)
        daemon.on_sweep = lambda: service_manager.hear_of_a_sweep(_in_one_line(daemon))
        await _until_stopped(
            daemon,
            when_ready=lambda: _say_what_is_served(daemon, settings, choices),
            when_stopping=lambda: service_manager.hear_of_the_stop(
                f"stopping; {daemon.worker.running} running", engine.drain + FAREWELLS
            ),
        )
    finally:
        flush_logs()


def _warn_of_a_missing_default(runner: str, daemon: Daemon) -> None:
    if not {runner, ALL} & set(daemon.serves.runners):
        hint = f"what names no runner is not fired here: configure [runners.{runner}], or another `runner`"
        log.warning("default_runner_missing", runner=runner, hint=hint)


async def _until_stopped(daemon: Daemon, when_ready: Callable[[], None], when_stopping: Callable[[], None]) -> None:
    """Run it. A first signal asks it to stop, a second one to hurry, a third one ends it as it is."""
    running = asyncio.current_task()
    assert running is not None
    heard = 0

    def hear(number: signal.Signals) -> None:
        nonlocal heard
        heard += 1
        daemon.stop()
        if heard == 1:
            log.info("stopping", signal=number.name, running=daemon.worker.running, drain_s=daemon.settings.drain)
            when_stopping()
        elif heard > 2 or not daemon.ready.is_set():
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in _signals():
        loop.add_signal_handler(number, hear, number)
    announcement = asyncio.create_task(_announce(daemon, when_ready))
    try:
        await daemon.run()
    except asyncio.CancelledError as error:
        raise CommandFailed("stopped at once", code="interrupted", exit_code=130) from error
    finally:
        announcement.cancel()
        for number in _signals():
            loop.remove_signal_handler(number)


def _signals() -> list[signal.Signals]:
    hang_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]  # as under nohup
    return [signal.SIGINT, signal.SIGTERM, *hang_up]


async def _announce(daemon: Daemon, when_ready: Callable[[], None]) -> None:
    await daemon.ready.wait()
    when_ready()


def _say_what_is_served(daemon: Daemon, settings: Settings, choices: Choices) -> None:
    runners, platforms = daemon.serves.runners, daemon.settings.platforms
    if choices.as_json:
        write_document(
            {
                "daemon": daemon.id,
                "pid": os.getpid(),
                "version": VERSION,
                "store": daemon.store.description,
                "namespace": settings.namespace,
                "runners": list(runners),
                "platforms": None if platforms is None else list(platforms),
                "slots": daemon.settings.slots,
                "halted": halt_view(daemon.worker.halt, settings.timezone or system_timezone()),
            }
        )
    facts: Mapping[str, Any] = {
        "store": daemon.store.description,
        "runners": ", ".join(runners),
        "platforms": ", ".join(platforms) if platforms else "all",
    }
    if (halt := daemon.worker.halt) is not None:
        words = halt_in_words(halt, settings.timezone or system_timezone(), daemon.store.clock.now())
        facts = {**facts, "stopped": f"all, {words}"}
    if not _is_readable(settings):
        log.info("serving", **facts, daemon=daemon.id, version=VERSION)
    else:
        example = command_line(choices, "add", "say hello", "--when", "in 10s", "--runner", _best_example(runners))
        lines = [f"scheduled-prompts {VERSION} is serving"]
        lines += [f"  {name:<10} {value}" for name, value in facts.items()]
        lines += [f"  {'add one':<10} {example}", f"  {'stop':<10} Ctrl-C"]
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    if not daemon.store.remembers:
        log.warning("nothing_is_kept", store="memory:", hint="prompts are gone when this daemon ends")


def _in_one_line(daemon: Daemon) -> str:
    """What `systemctl status` shows, as true as the last sweep."""
    runners = ", ".join(daemon.serves.runners)
    stopped = "" if daemon.worker.halt is None else "all is stopped (start-all lets it go on); "
    running = f"{daemon.worker.running} of {daemon.settings.slots} running"
    return f"{stopped}{daemon.store.description}; runners: {runners}; {running}"


def _is_readable(settings: Settings) -> bool:
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())


def _best_example(runners: tuple[str, ...]) -> str:
    return next((name for name in runners if name != "log"), "log")


def _engine_settings(engine: EngineSettings, slots: int | None, platforms: list[str] | None) -> EngineSettings:
    said = {name: value for name, value in (("slots", slots), ("platforms", platforms)) if value is not None}
    try:
        return EngineSettings.model_validate(engine.model_dump() | said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InvalidInput(
            f"--platform {problem['input']!r} cannot be a platform's name",
            hint="1 to 128 characters, without blanks, control characters, /, :, { and }",
        ) from error
