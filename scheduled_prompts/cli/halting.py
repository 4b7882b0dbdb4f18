"""`stop-all` and `start-all`: the kill switch, and how it is told of wherever somebody may wonder why nothing runs."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.cli.layout import count
from scheduled_prompts.cli.moments import absolute, how_far, length
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import visible, write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, command_line, open_scheduler
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store.halting import Halt
from scheduled_prompts.views import instant


async def stop_all(choices: Choices, note: str | None, *, cancel_running: bool) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        answer = await scheduler.stop_all(note, cancel_running=cancel_running)
        zone_name, now = scheduler.timezone, scheduler.clock.now()
        running = await scheduler.store.running_fires()
    if choices.as_json:
        write_document(
            {
                "stopped": True,
                "is_new": answer.is_new,
                "halted": halt_view(answer.halt, zone_name),
                "running": running,
                "asked_to_stop": answer.asked_to_stop,
            }
        )
        return
    since = "" if answer.is_new else f" already, {halt_in_words(answer.halt, zone_name, now)}"
    lines = [f"all is stopped{since}: nothing is started"]
    if answer.asked_to_stop:
        lines.append(f"  {count(answer.asked_to_stop, 'running fire')} asked to stop")
    elif running:
        go_on = "goes on" if running == 1 else "go on"
        lines.append(f"  {count(running, 'fire')} in hand {go_on} if started; --cancel-running asks them to stop")
    lines.append(f"  {command_line(choices, 'start-all')} lets all go on")
    write_lines("\n".join(lines))


async def start_all(choices: Choices) -> None:
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        over = await scheduler.start_all()
        zone_name, now = scheduler.timezone, scheduler.clock.now()
    if choices.as_json:
        write_document({"started": over is not None, "was": halt_view(over, zone_name)})
    elif over is None:
        write_lines("nothing was stopped")
    else:
        write_lines(
            f"all goes on, after {length(now - over.at)}\n"
            "  what became due meanwhile is late, and each prompt's misfire policy judges it"
        )


def halt_warning(halt: Halt | None, scheduler: Scheduler, choices: Choices) -> tuple[str, str] | None:
    """What to warn of where all is stopped, and what to do."""
    if halt is None:
        return None
    words = halt_in_words(halt, scheduler.timezone, scheduler.clock.now())
    return f"all is stopped, {words}: nothing fires", f"{command_line(choices, 'start-all')} lets all go on"


def halt_in_words(halt: Halt, timezone: str, now: int) -> str:
    """`since Tue 2026-12-01 09:00 +01:00, 2 min ago, by ann: too many messages`."""
    by = f", by {visible(halt.by, lines=False)}" if halt.by else ""
    note = f": {visible(halt.note, lines=False)}" if halt.note else ""
    return f"since {absolute(halt.at, timezone, weekday=True)}, {how_far(halt.at, now)}{by}{note}"


def halt_view(halt: Halt | None, timezone: str) -> dict[str, Any] | None:
    if halt is None:
        return None
    return {"since": instant(halt.at, timezone), "by": halt.by or None, "note": halt.note or None}
