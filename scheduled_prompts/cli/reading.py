"""`list`, `show`, `history` and `preview`: what changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, closed_scheduler, command_line, open_scheduler
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT
from scheduled_prompts.schedule.zones import to_instant, zone
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.views import fire_view, instant, prompt_view, schedule_view, upcoming_view


async def list_prompts(choices: Choices, filters: Mapping[str, str | None], *, limit: int, cursor: str | None) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        page = await scheduler.list(**filters, limit=limit, cursor=cursor)
        last = {} if choices.as_json else await _last_fires(scheduler, page.items)
        now = scheduler.clock.now()
    if choices.as_json:
        write_document({"items": [prompt_view(prompt) for prompt in page.items], "cursor": page.cursor})
        return
    if not page.items:
        if any(filters.values()) or cursor:
            write_lines("no prompts match")
        else:
            write_lines(f"no prompts yet; for example: {command_line(choices, 'add', 'say hello', '--when', 'in 10s')}")
        return
    from scheduled_prompts.cli.tables import prompts_table

    write_lines(prompts_table(page.items, last, now))
    if page.cursor:
        write_lines(f"there are more: {command_line(choices, 'list', *_said(filters), '--cursor', page.cursor)}")


async def show(choices: Choices, prompt_id: str) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        prompt = await scheduler.get(prompt_id)
        missed = [span for span in await scheduler.spans(prompt.id) if span.kind == "missed"]
        waits = prompt_view(prompt)["next_at"] is not None
        upcoming = scheduler.upcoming(prompt) if waits else []
        last = {} if choices.as_json else await _last_fires(scheduler, [prompt])
        now = scheduler.clock.now()
    if choices.as_json:
        spans = [
            {
                "from": instant(span.start, prompt.timezone),
                "until": instant(span.end, prompt.timezone),
                "reason": span.reason,
            }
            for span in missed
        ]
        upcoming_shown = upcoming_view(upcoming, prompt.timezone)
        write_document({**prompt_view(prompt), "upcoming": upcoming_shown, "missed": spans})
        return
    from scheduled_prompts.cli.screens import whole_prompt

    write_lines(whole_prompt(prompt, upcoming, missed, last.get(prompt.id), now))


async def history(choices: Choices, prompt_id: str, *, limit: int, cursor: str | None) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        prompt = await scheduler.get(prompt_id)
        page = await scheduler.history(prompt.id, limit=limit, cursor=cursor)
        now = scheduler.clock.now()
    if choices.as_json:
        items = [fire_view(fire, prompt.timezone) for fire in page.items]
        write_document({"items": items, "cursor": page.cursor})
        return
    from scheduled_prompts.cli.screens import not_fired_yet
    from scheduled_prompts.cli.tables import history_table

    if not page.items:
        write_lines("no more fires" if cursor else not_fired_yet(prompt, now))
        return
    write_lines(history_table(page.items, prompt.timezone))
    if page.cursor:
        write_lines(f"there are more: {command_line(choices, 'history', prompt.id, '--cursor', page.cursor)}")


async def preview(choices: Choices, when: str, *, timezone: str | None, start: str | None, count: int) -> None:
    scheduler = closed_scheduler(chosen_settings(choices))
    zone_name = zone(timezone or scheduler.timezone).key
    first = None if start is None else _instant_from(start, zone_name)
    answer = scheduler.preview(when, timezone=zone_name, start=first, count=count)
    now = scheduler.clock.now()
    await scheduler.close()
    if choices.as_json:
        write_document(
            {
                "schedule": schedule_view(answer.schedule, answer.timezone),
                "timezone": answer.timezone,
                "upcoming": upcoming_view(answer.upcoming, answer.timezone),
            }
        )
        return
    from scheduled_prompts.cli.screens import previewed

    write_lines(previewed(answer, now))


async def _last_fires(scheduler: Scheduler, prompts: Sequence[ScheduledPrompt]) -> dict[str, Fire]:
    """The last fire of each prompt, by the prompt's id."""
    wanted = [prompt.last_fire for prompt in prompts if prompt.last_fire]
    fires: Sequence[Any] = await scheduler.store.read_fires(wanted) if wanted else []
    return {fire.prompt_id: fire for fire in fires if isinstance(fire, Fire)}


def _instant_from(text: str, timezone: str) -> int:
    """A date, or a date and time, as ms UTC; in `timezone` unless it has an offset. Raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(text.strip())
        ms = to_instant(moment, timezone) if moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"--from {text!r} is not a date or time", hint="2026-12-01, 2026-12-01T09:00 or 2026-12-01T09:00+01:00"
        ) from error
    if not FIRST_INSTANT <= ms <= LAST_INSTANT:
        raise InvalidInput(f"--from {text!r} is out of range", hint="1900 to 9988")
    return ms


def _said(filters: Mapping[str, str | None]) -> list[str]:
    return [word for name, value in filters.items() if value for word in (f"--{name}", value)]
