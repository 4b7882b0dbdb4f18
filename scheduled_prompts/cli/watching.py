"""`stats` and `events`: how things stand, and what happens."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from scheduled_prompts.cli.halting import halt_view
from scheduled_prompts.cli.moments import absolute
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines, write_note, write_warning
from scheduled_prompts.cli.session import chosen_settings, command_line, open_scheduler
from scheduled_prompts.cli.signals import ended_by_signals
from scheduled_prompts.cli.spending import spending_view
from scheduled_prompts.durations import seconds
from scheduled_prompts.errors import InvalidInput, StoreUnreachable
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.events import GAP, Event, Events, Since
from scheduled_prompts.scheduler.moments import instant_from
from scheduled_prompts.scheduler.stats import Due, Ended, Stats
from scheduled_prompts.store.events import START
from scheduled_prompts.store.records import ALL, DaemonInfo
from scheduled_prompts.views import instant

INSTANTS = frozenset(("retry_at", "nominal", "from", "until"))
"""The fields of an event that are instants (ms UTC)."""
Tell = Callable[[Scheduler, Sequence[Event]], Awaitable[None]]
_EVENT_ID = re.compile(r"\d+-\d+", re.ASCII)


class Asked(NamedTuple):
    """Which events somebody wants to see."""

    since: str | None
    prompt: str | None
    types: Sequence[str]
    limit: int


async def stats(choices: Choices) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        answer = await scheduler.stats()
        first = answer.oldest_due or answer.next_due
        [prompt] = await scheduler.store.read_prompts([first.prompt_id]) if first and not choices.as_json else [None]
        where = scheduler.store.description
    if choices.as_json:
        write_document(stats_view(answer))
        return
    from scheduled_prompts.cli.overview import overview

    write_lines(overview(answer, prompt, where, start_one=command_line(choices, "serve")))


async def events(choices: Choices, asked: Asked) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        page = await scheduler.past_events(
            limit=asked.limit, since=_since(asked.since, scheduler), prompt=asked.prompt, types=asked.types
        )
        if choices.as_json:
            items = [event_view(event, scheduler.timezone) for event in page.items]
            write_document({"items": items, "cursor": page.cursor})
            return
        await _teller()(scheduler, page.items)
    if not page.items:
        anything = asked.since or asked.prompt or asked.types
        write_lines("no such events" if anything else "nothing has happened yet")
    if page.more:
        write_lines(f"there are more: {_resume(choices, asked, page.cursor)}")


async def follow_events(choices: Choices, asked: Asked) -> None:
    """Until SIGINT or SIGTERM, which is how following ends: that is no failure."""
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        prompt = None if asked.prompt is None else await scheduler.resolve(asked.prompt)
        since = _since(asked.since, scheduler)
        feed = scheduler.events(since=since, prompt=prompt, types=asked.types)
        tell = _write_objects if choices.as_json else _teller()
        with ended_by_signals():
            if since is None:
                page = await scheduler.past_events(limit=asked.limit, prompt=prompt, types=asked.types)
                await tell(scheduler, page.items)
                feed.position = page.cursor
            await _tell_for_ever(scheduler, feed, tell)
        write_note(f"to go on from here: {_resume(choices, asked, feed.position or START, '--follow')}")


async def _tell_for_ever(scheduler: Scheduler, feed: Events, tell: Tell) -> None:
    is_away = False
    while True:
        try:
            await tell(scheduler, await feed.batch())
        except StoreUnreachable as error:
            if not is_away:
                write_warning(error.message, "it is tried again, and this goes on from where it was")
            is_away = True
        else:
            if is_away:
                write_warning(f"{scheduler.store.description} answers again")
            is_away = False


async def _write_objects(scheduler: Scheduler, happened: Sequence[Event]) -> None:
    for event in happened:
        sys.stdout.write(json.dumps(event_view(event, scheduler.timezone)) + "\n")
    sys.stdout.flush()


def _teller() -> Tell:
    from scheduled_prompts.cli.happenings import Teller

    teller = Teller()

    async def tell(scheduler: Scheduler, happened: Sequence[Event]) -> None:
        for event in happened:
            if event.type == GAP:
                oldest = (
                    f" before {absolute(event.at, scheduler.timezone, exact=True)}" if "oldest" in event.fields else ""
                )
                write_warning(f"not all is there: what happened behind {event.id}{oldest} may be lost, it was trimmed")
        lines = await teller.lines(scheduler, [event for event in happened if event.type != GAP])
        if lines:
            write_lines(lines)

    return tell


def _since(text: str | None, scheduler: Scheduler) -> Since | None:
    """An event's id, a duration ago, or a time. Raises InvalidInput."""
    if text is None:
        return None
    said = text.strip()
    if said == "0" or _EVENT_ID.fullmatch(said):
        return START if said == "0" else said
    ago = said.removesuffix("ago").strip()
    with contextlib.suppress(ValueError):
        if not ago.isdecimal():
            return scheduler.clock.now() - round(seconds(ago) * 1000)
    try:
        return instant_from(said, scheduler.timezone)
    except InvalidInput as error:
        hint = "an event's id, as each line has it; 10m, for ten minutes ago; 2026-12-01T09:00; or 0, for all there are"
        raise InvalidInput(f"--since {text!r} is neither an event nor a time", hint=hint) from error


def _resume(choices: Choices, asked: Asked, position: str, *words: str) -> str:
    """The command that goes on behind a position."""
    said = [*(("--prompt", asked.prompt) if asked.prompt else ())]
    for name in asked.types:
        said += ["--type", name]
    return command_line(choices, "events", *words, "--since", position, *said)


# As programs see them


def event_view(event: Event, timezone: str) -> dict[str, Any]:
    """An event. Instants in `fields` are RFC 3339, as everywhere."""
    fields: dict[str, Any] = dict(event.fields)
    for name in INSTANTS & fields.keys():
        if fields[name].isdecimal():
            fields[name] = instant(int(fields[name]), timezone)
    if "changed" in fields:
        fields["changed"] = fields["changed"].split(",")
    return {
        "id": event.id,
        "type": event.type,
        "at": instant(event.at, timezone),
        "prompt_id": event.prompt,
        "fire_id": event.fire,
        "fields": fields,
    }


def stats_view(stats: Stats) -> dict[str, Any]:
    zone = stats.timezone
    return {
        "at": instant(stats.at, zone),
        "timezone": zone,
        "halted": halt_view(stats.halt, zone),
        "prompts": dict(stats.by_status),
        "due_now": stats.due_now,
        "oldest_due": _due_view(stats.oldest_due, zone),
        "next_due": _due_view(stats.next_due, zone),
        "fires": {"waiting": stats.waiting, "running": stats.running, "retrying": stats.retrying},
        "last_hour": {
            **_ended_view(stats.last_hour),
            "started": stats.lateness.started,
            "lateness_ms": {"p50": stats.lateness.p50, "p99": stats.lateness.p99},
        },
        "hours": [{"start": instant(hour.start, zone), **_ended_view(hour.ended)} for hour in stats.hours],
        "spending": None if stats.spending is None else spending_view(stats.spending),
        "daemons": [_daemon_view(daemon, stats) for daemon in stats.daemons],
    }


def _due_view(due: Due | None, timezone: str) -> dict[str, Any] | None:
    return None if due is None else {"prompt_id": due.prompt_id, "due": instant(due.at, timezone)}


def _ended_view(ended: Ended) -> dict[str, int]:
    return {"ended": ended.total, **ended._asdict()}


def _daemon_view(daemon: DaemonInfo, stats: Stats) -> dict[str, Any]:
    return {
        "id": daemon.id,
        "host": daemon.host,
        "pid": daemon.pid,
        "version": daemon.version,
        "platforms": None if ALL in daemon.platforms else list(daemon.platforms),
        "runners": list(daemon.runners),
        "slots": daemon.slots,
        "running": daemon.running,
        "started_at": instant(daemon.started_at, stats.timezone),
        "uptime_s": max(0, stats.at - daemon.started_at) // 1000,
    }
