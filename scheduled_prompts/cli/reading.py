"""`list`, `show`, `history` and `preview`: what changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scheduled_prompts.cli.documents import quarantined_view, span_view, unreadable_view
from scheduled_prompts.cli.halting import halt_view, halt_warning
from scheduled_prompts.cli.moments import is_overdue
from scheduled_prompts.cli.options import PAGE, Choices
from scheduled_prompts.cli.output import write_document, write_lines, write_warning
from scheduled_prompts.cli.session import (
    chosen_settings,
    closed_scheduler,
    command_line,
    open_scheduler,
    why_unserved,
)
from scheduled_prompts.cli.spending import spending_view
from scheduled_prompts.errors import InvalidInput, StoreUnusable
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import short
from scheduled_prompts.policies_words import in_words
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule.zones import zone
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.moments import instant_from
from scheduled_prompts.settings import Settings
from scheduled_prompts.store.records import Quarantined
from scheduled_prompts.views import fire_view, prompt_view, schedule_view, upcoming_view

UNKNOWN_ZONE = "UTC"
LATELY = 5
"""How many fires, and how many spans, `show` tells."""


async def list_prompts(choices: Choices, filters: Mapping[str, str | None], *, limit: int, cursor: str | None) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        page = await scheduler.list(**filters, limit=limit, cursor=cursor)
        broken = await _set_aside(scheduler, page.items)
        last = {} if choices.as_json else await _last_fires(scheduler, page.items)
        now = scheduler.clock.now()
        halt = await scheduler.halted()
        warning = halt_warning(halt, scheduler, choices) or await _why_overdue(
            scheduler, page.items, settings, choices, now
        )
    if choices.as_json:
        document: dict[str, Any] = {
            "items": [_prompt_document(prompt, broken.get(prompt.id)) for prompt in page.items],
            "cursor": page.cursor,
            "unreadable": [unreadable_view(record) for record in page.unreadable],
            "halted": halt_view(halt, scheduler.timezone),
        }
        _write(document, warning)
        return
    if not page.items and not page.unreadable:
        if any(filters.values()) or cursor:
            write_lines("no prompts match")
        else:
            write_lines(f"no prompts yet; for example: {command_line(choices, 'add', 'say hello', '--when', 'in 10s')}")
        return
    from scheduled_prompts.cli.tables import prompts_table

    errors = {record.id: record.error for record in broken.values()}
    write_lines(prompts_table(page.items, page.unreadable, last, errors, now, scheduler.timezone))
    if page.cursor:
        words = [*_said(filters), *_limit(limit), "--cursor", page.cursor]
        write_lines(f"there are more: {command_line(choices, 'list', *words)}")
    if warning is not None:
        write_warning(*warning)


async def show(choices: Choices, prompt_id: str) -> None:
    settings = chosen_settings(choices)
    currency = settings.budgets.currency
    async with open_scheduler(settings) as scheduler:
        prompt = await scheduler.get(prompt_id)
        broken = (await _set_aside(scheduler, [prompt])).get(prompt.id)
        spans = await scheduler.spans(prompt.id)
        fires = await scheduler.history(prompt.id, limit=LATELY)
        upcoming = scheduler.upcoming(prompt)
        spending = await scheduler.spending(prompt=prompt.id)
        last = {} if choices.as_json else await _last_fires(scheduler, [prompt])
        now = scheduler.clock.now()
        halt = await scheduler.halted()
        warning = halt_warning(halt, scheduler, choices)
    if choices.as_json:
        _write(
            {
                **_prompt_document(prompt, broken),
                "words": in_words(prompt, currency),
                "upcoming": upcoming_view(upcoming, prompt.timezone),
                "fires": [fire_view(fire, prompt.timezone) for fire in fires.items],
                "spans": [span_view(span, prompt.timezone) for span in spans],
                "missed": [span_view(span, prompt.timezone) for span in spans if span.kind == "missed"],
                "spending": spending_view(spending),
                "halted": halt_view(halt, prompt.timezone),
            },
            warning,
        )
        return
    from scheduled_prompts.cli.account import Account
    from scheduled_prompts.cli.screens import whole_prompt

    account = Account(prompt.id, fires.items, spans[-LATELY:], has_more=fires.cursor is not None)
    write_lines(whole_prompt(prompt, upcoming, last.get(prompt.id), account, broken, spending, now))
    if warning is not None:
        write_warning(*warning)


async def history(choices: Choices, prompt_id: str, *, limit: int, cursor: str | None) -> None:
    settings = chosen_settings(choices)
    async with open_scheduler(settings) as scheduler:
        whole_id = await scheduler.resolve(prompt_id)
        page = await scheduler.history(whole_id, limit=limit, cursor=cursor)
        prompt = await _if_readable(scheduler, whole_id, must_be=not page.items)
        zone_name = UNKNOWN_ZONE if prompt is None else prompt.timezone
        now = scheduler.clock.now()
        waits = any(fire.status is FireStatus.QUEUED and is_overdue(fire.due, now) for fire in page.items)
        mine = [] if prompt is None else [prompt]
        warning = await _why_overdue(scheduler, mine, settings, choices, now, waits=waits)
    if choices.as_json:
        items = [fire_view(fire, zone_name) for fire in page.items]
        _write({"items": items, "cursor": page.cursor}, warning)
        return
    from scheduled_prompts.cli.screens import not_fired_yet
    from scheduled_prompts.cli.tables import history_table

    if page.items or prompt is None:
        write_lines(history_table(page.items, zone_name))
    else:
        write_lines("no more fires" if cursor else not_fired_yet(prompt, now))
    if page.cursor:
        words = [short(whole_id), *_limit(limit), "--cursor", page.cursor]
        write_lines(f"there are more: {command_line(choices, 'history', *words)}")
    if warning is not None:
        write_warning(*warning)


async def preview(
    choices: Choices, when: str, *, timezone: str | None, first: str | None, count: int, policies: dict[str, Any]
) -> None:
    settings = chosen_settings(choices)
    currency = settings.budgets.currency
    scheduler = closed_scheduler(settings)
    zone_name = zone(timezone or scheduler.timezone).key
    start = None if first is None else _instant_from(first, zone_name)
    answer = scheduler.preview(when, timezone=zone_name, start=start, count=count, **policies)
    now = scheduler.clock.now()
    await scheduler.close()
    if choices.as_json:
        write_document(
            {
                "schedule": schedule_view(answer.schedule, answer.timezone),
                "timezone": answer.timezone,
                "words": in_words(answer.definition, currency),
                "upcoming": upcoming_view(answer.upcoming, answer.timezone),
            }
        )
        return
    from scheduled_prompts.cli.screens import previewed

    write_lines(previewed(answer, now, currency))


async def _why_overdue(
    scheduler: Scheduler,
    prompts: Sequence[ScheduledPrompt],
    settings: Settings,
    choices: Choices,
    now: int,
    *,
    waits: bool = False,
) -> tuple[str, str] | None:
    """What to warn of where prompts (or, `waits`, a prompt's fires) are overdue because nobody serves them."""
    late = [prompt for prompt in prompts if waits or (prompt.status.is_armed and is_overdue(prompt.next_at, now))]
    for prompt in {(prompt.platform, prompt.runner): prompt for prompt in late}.values():
        problem = await why_unserved(scheduler, prompt, settings, choices)
        if problem is not None:
            overdue = "it is" if len(prompts) == 1 else f"{len(late)} of these {'is' if len(late) == 1 else 'are'}"
            return f"{overdue} overdue: {problem[0]}", problem[1]
    return None


async def _set_aside(scheduler: Scheduler, prompts: Sequence[ScheduledPrompt]) -> dict[str, Quarantined]:
    """Why some of these prompts were set aside, by id."""
    if scheduler.caller is not None or not any(prompt.status is PromptStatus.QUARANTINED for prompt in prompts):
        return {}
    return {record.id: record for record in await scheduler.quarantined()}


def _prompt_document(prompt: ScheduledPrompt, broken: Quarantined | None) -> dict[str, Any]:
    why = None if broken is None else quarantined_view(broken, prompt.timezone)
    return {**prompt_view(prompt), "quarantined": why}


def _write(document: dict[str, Any], warning: tuple[str, str] | None) -> None:
    if warning is not None:
        document["warning"] = "; ".join(warning)
        write_warning(*warning)
    write_document(document)


async def _if_readable(scheduler: Scheduler, prompt_id: str, *, must_be: bool) -> ScheduledPrompt | None:
    """The prompt; None where its record cannot be read and need not be. Raises NotFound, StoreUnusable."""
    try:
        return await scheduler.get(prompt_id)
    except StoreUnusable:
        if must_be:
            raise
        return None


async def _last_fires(scheduler: Scheduler, prompts: Sequence[ScheduledPrompt]) -> dict[str, Fire]:
    """The last fire of each prompt, by the prompt's id."""
    wanted = [prompt.last_fire for prompt in prompts if prompt.last_fire]
    fires: Sequence[Any] = await scheduler.store.read_fires(wanted) if wanted else []
    return {fire.prompt_id: fire for fire in fires if isinstance(fire, Fire)}


def _instant_from(text: str, timezone: str) -> int:
    try:
        return instant_from(text, timezone)
    except InvalidInput as error:
        raise InvalidInput(f"--from {error.message}", hint=error.hint) from error


def _said(filters: Mapping[str, str | None]) -> list[str]:
    return [word for name, value in filters.items() if value for word in (f"--{name}", value)]


def _limit(limit: int) -> list[str]:
    return [] if limit == PAGE else ["--limit", str(limit)]
