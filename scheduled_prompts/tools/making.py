"""schedule_prompt: what an agent books for itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from scheduled_prompts.caller import Scope
from scheduled_prompts.tools.answers import ScheduledAnswer, instants, named, prompt_record
from scheduled_prompts.tools.call import Call, without_none
from scheduled_prompts.tools.spec import Between, tool

WHEN = (
    "When it runs. Once: 'in 20m', 'tomorrow at 9am', 'at 2030-12-01 09:00'. Again and again: 'every 2h', "
    "'every day at 9am', 'every weekday at 9am', 'every monday and thursday at 18:30', or a cron expression with five "
    "fields: '0 9 * * 1-5'. A time of day needs am, pm or minutes: '9am', '21:00'. One time or one rhythm only."
)
ZONE = "IANA time zone in which the times are read, for example 'Europe/Berlin'. Not an abbreviation."


@tool(
    "Schedule a prompt: at the given time, or again and again, its text is handed to an agent, which then does what "
    "it says. Use it for reminders, later tasks and recurring jobs. Example: "
    '{"prompt": "Summarise the new issues and post the summary", "when": "every weekday at 9am", '
    '"timezone": "Europe/Berlin"}.',
    answer=ScheduledAnswer,
    scope=Scope.WRITE,
)
async def schedule_prompt(
    call: Call,
    prompt: Annotated[
        str, "What is to be done then, complete in itself: whoever reads it then does not see this conversation."
    ],
    when: Annotated[str, WHEN],
    timezone: Annotated[str | None, ZONE] = None,
    name: Annotated[str | None, "A short title to find it by, for example 'standup notes'."] = None,
    key: Annotated[
        str | None,
        "A word of your own, without blanks, that makes it unique, for example 'daily-standup': scheduling the same "
        "key again creates nothing new.",
    ] = None,
    start_at: Annotated[str | None, "It does not run before this date or time, for example '2030-12-01T09:00'."] = None,
    end_at: Annotated[str | None, "It does not run from this date or time on, for example '2030-12-31T18:00'."] = None,
    max_fires: Annotated[int | None, "It ends after running so many times.", Between(1, 1_000_000_000)] = None,
    quiet: Annotated[str | None, "Times of day at which it does not run, for example '22:00-07:00'."] = None,
    misfire: Annotated[
        Literal["once", "skip", "all"] | None,
        "If its time passed while nothing could run: run once for the latest ('once', the default), not at all "
        "('skip'), or for each ('all').",
    ] = None,
    max_cost: Annotated[Decimal | None, "What one run may cost at most, for example 0.50."] = None,
    runner: Annotated[str | None, "Which runner does it. Leave it out for the usual one."] = None,
) -> dict[str, Any]:
    policies = without_none(
        name=name,
        key=key,
        start_at=start_at,
        end_at=end_at,
        max_fires=max_fires,
        quiet=quiet,
        misfire=misfire,
        max_cost=max_cost,
        runner=runner,
    )
    done = await call.scheduler.schedule(prompt, when, timezone=timezone, **policies)
    return {
        "message": f"{'Scheduled' if done.created else 'There is already'} {named(done.prompt)}.",
        "created": done.created,
        "differs": done.differs,
        "scheduled_prompt": prompt_record(done.prompt, done.upcoming),
        "timezone": done.prompt.timezone,
        "upcoming": instants(done.upcoming, done.prompt.timezone),
        "unserved": await call.scheduler.why_unserved(done.prompt),
    }
