"""Events as people read them, a line each.

On a terminal the day stands above its events, and a line fits; in a pipe each line has the whole instant, and all that
is to say. What an event itself does not hold (a name, how late, how long) is read from the records, once for many.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from rich.text import Text

from scheduled_prompts.cli.moments import absolute, how_far, length, why
from scheduled_prompts.cli.naming import caption, first_line
from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.painting import painted
from scheduled_prompts.cli.tables import STATUS_STYLES
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.events import Event
from scheduled_prompts.views import instant

MOST_NAMES = 1_000
LONGEST_IN_PIPE = 200
WIDE_FROM = 100
STYLES = {**STATUS_STYLES, "created": "green", "resumed": "green", "reaped": "red", "quarantined": "red"}
WORDS = {"skip": "to skip", "unskip": "not to skip", "reaped": "lost"}
WHAT_WIDTH = 11
NAMED_FROM = 80
FIXED_WIDTH = 51
"""What a line takes without a name and details: time, id, event, stream id, and the gaps between them."""


class Teller:
    """Remembers which day it told of last, and the names of prompts."""

    def __init__(self) -> None:
        self._day = ""
        self._names: dict[str, str] = {}

    async def lines(self, scheduler: Scheduler, happened: Sequence[Event]) -> str:
        """The lines of these events; '' for none."""
        fires = {}
        if happened:
            fires = await _fires(scheduler, happened)
            await self._learn_names(scheduler, happened)
        timezone = scheduler.timezone
        if not sys.stdout.isatty():
            return painted(self._whole(event, fires, timezone) for event in happened)
        width = shutil.get_terminal_size().columns
        lines: list[Text] = []
        for event in happened:
            day = absolute(event.at, timezone, weekday=True, exact=True)
            day = f"{day[:14]} {day[-6:]}"
            if day != self._day:
                lines.append(Text(f"{day} {timezone}", style="bold"))
                self._day = day
            lines.append(self._fitted(event, fires, timezone, width))
        return painted(lines)

    def _whole(self, event: Event, fires: dict[str, Fire], timezone: str) -> Text:
        name = Text(self._names.get(event.prompt or "", ""))
        name.truncate(LONGEST_IN_PIPE, overflow="ellipsis")
        parts = [absolute(event.at, timezone, exact=True), event.id, short(event.prompt or ""), _what(event)]
        return Text("  ".join(part for part in [*parts, name.plain, _details(event, fires, timezone)] if part))

    def _fitted(self, event: Event, fires: dict[str, Fire], timezone: str, width: int) -> Text:
        details = _details(event, fires, timezone, tersely=width < WIDE_FROM)
        name_width, details_width = _widths(width)
        if name_width and not details:
            name_width, details_width = name_width + 2 + details_width, 0
        line = Text(no_wrap=True)
        for part, columns, style in (
            ((instant(event.at, timezone) or "")[11:19], 8, "dim"),
            (short(event.prompt or ""), 8, "bold"),
            (_what(event), WHAT_WIDTH, STYLES.get(event.type, "")),
            (self._names.get(event.prompt or "", ""), name_width, ""),
            (details, details_width, "dim"),
        ):
            cell = Text(part, style=style)
            if columns > 0:
                cell.truncate(columns, overflow="ellipsis", pad=True)
                line.append_text(cell).append("  ")
        return line.append(event.id, style="dim")

    async def _learn_names(self, scheduler: Scheduler, happened: Sequence[Event]) -> None:
        for event in happened:
            if event.type == "edited":
                self._names.pop(event.prompt or "", None)
        if len(self._names) > MOST_NAMES:
            self._names.clear()
        unknown = sorted({event.prompt for event in happened if event.prompt} - self._names.keys())
        for prompt in await scheduler.store.read_prompts(unknown) if unknown else []:
            if isinstance(prompt, ScheduledPrompt):
                self._names[prompt.id] = caption(prompt)


def _widths(width: int) -> tuple[int, int]:
    """Of the name and of the details, in the room that the rest leaves. Where that is little, there is no name."""
    room = max(width - FIXED_WIDTH, 0)
    if width < NAMED_FROM:
        return 0, room - 2
    details = 17 if width < WIDE_FROM else 16 + (room - 12) // 2
    return room - 2 - details, details


async def _fires(scheduler: Scheduler, happened: Sequence[Event]) -> dict[str, Fire]:
    wanted = sorted({event.fire for event in happened if event.fire})
    found = await scheduler.store.read_fires(wanted) if wanted else []
    return {fire.id: fire for fire in found if isinstance(fire, Fire)}


def _what(event: Event) -> str:
    return visible(WORDS.get(event.type, event.type), lines=False).replace("_", " ")


def _details(event: Event, fires: dict[str, Fire], timezone: str, *, tersely: bool = False) -> str:
    fields = event.fields
    fire = fires.get(event.fire or "")
    parts: list[str] = []
    match event.type:
        case "retrying":
            word = "rate limit, its turn is" if fields.get("reason") == "rate_limit" else "again"
            parts.append(f"{word} {how_far(_ms(fields.get('retry_at')), event.at)}")
            if fire is not None and str(fire.retry_at) == fields.get("retry_at"):
                parts.append(first_line(fire.error or ""))
        case "reaped":
            parts.append("its daemon was lost")
        case "missed" if "from" in fields:
            first, until = (
                _moment(fields.get("from"), event.at, timezone),
                _moment(fields.get("until"), event.at, timezone),
            )
            parts.append(f"{first} until {until}")
        case "skip" | "unskip":
            parts.append(_moment(fields.get("nominal"), event.at, timezone))
        case "over_budget":
            parts.append(f"{fields.get('cost')} instead of at most {fields.get('max_cost')}")
        case "cost_not_counted":
            parts.append(f"{fields.get('cost')} {fields.get('currency')}, another currency")
        case "edited":
            parts.append(fields.get("changed", "").replace(",", ", "))
        case _ if event.is_end:
            parts += _end(event, fire, tersely=tersely)
        case _:
            parts += [value for name, value in fields.items() if value != "requested"]
    return ", ".join(visible(part, lines=False) for part in parts if part)


def _end(event: Event, fire: Fire | None, *, tersely: bool) -> list[str]:
    reason = event.fields.get("reason", "").replace("_", " ")
    parts = [] if reason in ("", event.type.replace("_", " ")) else [reason]
    if fire is None:
        return parts
    parts = [why(fire)] if fire.status == event.type else parts
    if fire.error and fire.status is not FireStatus.SUCCEEDED:
        parts.append(first_line(fire.error))
    if fire.started_at is not None and fire.ended_at is not None:
        # A later attempt's lateness is the waiting between attempts: it says nothing of punctuality.
        parts.append(f"attempt {fire.attempt}" if fire.attempt > 1 else f"{length(fire.lateness_ms)} late")
        took = length(fire.ended_at - fire.started_at)
        parts.append(took if tersely else f"took {took}")
    return parts


def _moment(ms: str | None, at: int, timezone: str) -> str:
    """The clock's time, with the date where it is another day."""
    text, today = absolute(_ms(ms), timezone), absolute(at, timezone)
    return text[11:-7] if text[:10] == today[:10] else text[:-7]


def _ms(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
