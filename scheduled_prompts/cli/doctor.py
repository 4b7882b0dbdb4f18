"""`doctor` and `cleanup`: is all well, and away with what has been over for long."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from scheduled_prompts.cli.layout import count
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import write_document, write_lines
from scheduled_prompts.cli.progress import progress
from scheduled_prompts.cli.session import chosen_settings, command_line, open_scheduler
from scheduled_prompts.scheduler.diagnosis import START_ONE, Finding, Level

FAILING = 1


async def doctor(choices: Choices, *, quick: bool, here: bool, repair: bool, strict: bool) -> None:
    """Ends with 1 where there is a problem (`strict`: or a warning)."""
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        with progress("checking", 100) as advance:
            shown = 0

            def done(count: int, total: int) -> None:
                nonlocal shown
                percent = 100 * count // max(total, 1)
                advance(percent - shown)
                shown = percent

            found = await scheduler.doctor(quick=quick, here=here, repair=repair, progress=done)
    serve = command_line(choices, "serve")
    found = [finding._replace(hint=serve) if finding.hint == START_ONE else finding for finding in found]
    ill = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    is_well = not any(finding.level in ill for finding in found)
    if choices.as_json:
        write_document({"ok": is_well, "checks": [_view(finding) for finding in found]})
    else:
        from scheduled_prompts.cli.findings import findings_screen

        write_lines(findings_screen(found))
    if not is_well:
        raise typer.Exit(FAILING)


async def cleanup(choices: Choices, *, days: float | None) -> None:
    from scheduled_prompts.engine.retention import cleanup

    settings = chosen_settings(choices)
    kept = settings.engine.retention_days if days is None else days
    async with open_scheduler(settings) as scheduler:
        purged = await cleanup(scheduler.store, kept, keep=settings.engine.keep_fires)
    if choices.as_json:
        write_document(
            {
                "prompts": purged.prompts,
                "fires": purged.fires,
                "days_kept": kept,
                "undated": list(purged.undated),
                "orphans": purged.orphans,
            }
        )
        return
    deleted = f"{count(purged.prompts, 'prompt')} and {count(purged.fires, 'fire')}"
    lines = [f"deleted {deleted} that ended more than {kept:g} {'day' if kept == 1 else 'days'} ago"]
    if purged.orphans:
        lines.append(f"and {count(purged.orphans, 'thing')} left of prompts that were gone")
    if purged.undated:
        lines.append(f"kept {len(purged.undated):,} of which nobody knows when they ended")
    write_lines("\n".join(lines))


def _view(finding: Finding) -> dict[str, str | Sequence[str] | None]:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "message": finding.message,
        "hint": finding.hint,
        "details": list(finding.details),
    }
