"""`explain`: the account of a prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, open_scheduler
from scheduled_prompts.policies_words import in_words
from scheduled_prompts.scheduler.account import Cause, Row
from scheduled_prompts.scheduler.sentences import ending, phrase
from scheduled_prompts.views import approval_view, fire_view, instant, schedule_view


async def explain(choices: Choices, prompt_id: str, since: str | None, until: str | None) -> None:
    settings = chosen_settings(choices)
    currency = settings.budgets.currency
    async with open_scheduler(settings) as scheduler:
        answer = await scheduler.explain(prompt_id, since=since, until=until)
    if choices.as_json:
        zone_name = answer.prompt.timezone
        write_document(
            {
                "prompt_id": answer.prompt.id,
                "schedule": schedule_view(answer.prompt.schedule, zone_name),
                "timezone": zone_name,
                "words": in_words(answer.prompt, currency),
                "since": instant(answer.since, zone_name),
                "until": instant(answer.until, zone_name),
                "now": instant(answer.now, zone_name),
                "approval": approval_view(answer.prompt),
                "outcomes": totals(answer.rows),
                "rows": [row_view(row, zone_name) for row in answer.rows],
                "conduct": answer.conduct,
                "ended": None if answer.ended is None else _end_view(answer.ended, zone_name),
            }
        )
        return
    from scheduled_prompts.cli.account_screen import explained

    write_lines(explained(answer, totals(answer.rows), currency))


async def explain_at(choices: Choices, prompt_id: str, at: str) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        answer = await scheduler.why(prompt_id, at)
    zone_name = answer.prompt.timezone
    if choices.as_json:
        write_document(
            {
                "prompt_id": answer.prompt.id,
                "at": instant(answer.at, zone_name),
                "sentence": answer.sentence,
                "row": None if answer.row is None else row_view(answer.row, zone_name),
                "nearest": [instant(nominal, zone_name) for nominal in answer.nearest],
            }
        )
        return
    from scheduled_prompts.cli.account_screen import answered

    write_lines(answered(answer))


def _end_view(ended: Cause, zone_name: str) -> dict[str, Any]:
    return {
        "outcome": ended.outcome,
        "reason": ended.reason,
        "at": instant(ended.since, zone_name),
        "actor": ended.actor,
        "note": ended.note,
        "words": ending(ended, zone_name),
    }


def totals(rows: Sequence[Row]) -> dict[str, int]:
    """How many occurrences came to which outcome."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row.outcome] += row.number
    return dict(found)


def row_view(row: Row, zone_name: str) -> dict[str, Any]:
    """A row of the account: one fire, or the occurrences `from` one `to` another that have one cause."""
    cause = row.cause
    return {
        "outcome": row.outcome,
        "from": instant(row.first, zone_name),
        "to": instant(row.last, zone_name),
        "number": row.number,
        "exact": row.exact,
        "reason": row.reason,
        "words": phrase(row, zone_name),
        "note": None if cause is None else cause.note,
        "actor": None if cause is None else cause.actor,
        "since": None if cause is None else instant(cause.since, zone_name),
        "until": None if cause is None else instant(cause.until, zone_name),
        "due": instant(row.due, zone_name),
        "fire": None if row.fire is None else fire_view(row.fire, zone_name),
    }
