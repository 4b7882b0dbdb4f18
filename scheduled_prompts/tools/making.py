"""schedule_prompt and preview_schedule: what an agent books for itself, and what it would come to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from scheduled_prompts.caller import Scope
from scheduled_prompts.schedule import Once, zone
from scheduled_prompts.scheduler import Scheduled
from scheduled_prompts.scheduler.allowances import Allowance
from scheduled_prompts.tools import words
from scheduled_prompts.tools.answers import (
    PreviewAnswer,
    ScheduledAnswer,
    called,
    instants,
    limit_records,
    of_prompt,
    when_of,
)
from scheduled_prompts.tools.call import Call, without_none
from scheduled_prompts.tools.spec import Between, tool
from scheduled_prompts.tools.times import apart, instant_said

When = Annotated[
    str,
    "When it runs. Once: 'in 20m', 'tomorrow at 9am', 'at 2030-12-01 09:00'. Again and again: 'every 2h', "
    "'every day at 9am', 'every weekday at 9am', 'every monday and thursday at 18:30', or a cron expression with five "
    "fields, '0 9 * * 1-5'. A time of day is '9am' or '21:00', never '9' alone. One time or one rhythm only.",
]
Zone = Annotated[
    str | None,
    "IANA time zone in which times are read, for example 'Europe/Berlin'. If left out, the answer says which it is.",
]
Start = Annotated[str | None, "It does not run before this date and time, for example '2030-12-01T09:00'."]
End = Annotated[str | None, "It does not run from this date and time on, for example '2030-12-31T18:00'."]
Most = Annotated[int | None, "It is over after so many runs.", Between(1, 1_000_000_000)]
Quiet = Annotated[str | None, "Times of day at which it does not run, for example '22:00-07:00'; 'none' for none."]
Misfire = Annotated[
    Literal["once", "skip", "all"] | None,
    "What to do about times that passed while nothing could run: 'once' runs for the latest, 'skip' for none, 'all' "
    "for each.",
]
Cost = Annotated[Decimal | None, "The most that one run may cost, for example 0.50."]
Runner = Annotated[str | None, "Which runner does the work. Leave it out for the usual one."]


@tool(
    "Schedule a prompt: at that time, or again and again, its text is handed to an agent, which then does what it "
    "says. For reminders, later tasks and recurring jobs.",
    example={
        "prompt": "Summarise the new issues of the project and post the summary.",
        "when": "every weekday at 9am",
        "timezone": "Europe/Berlin",
    },
    answer=ScheduledAnswer,
    scope=Scope.WRITE,
)
async def schedule_prompt(
    call: Call,
    prompt: Annotated[
        str, "What is to be done then. Complete in itself: whoever reads it then does not see this conversation."
    ],
    when: When,
    timezone: Zone = None,
    name: Annotated[str | None, "A short title to find it by, for example 'issue summary'."] = None,
    key: Annotated[
        str | None,
        "A word of your own without blanks, for example 'issue-summary'. While a scheduled prompt with this key lives, "
        "no second one is made.",
    ] = None,
    start_at: Start = None,
    end_at: End = None,
    max_fires: Most = None,
    quiet: Quiet = None,
    misfire: Misfire = None,
    max_cost: Cost = None,
    runner: Runner = None,
) -> dict[str, Any]:
    when, timezone = apart(when, timezone)
    zone_name = zone(timezone or call.scheduler.timezone).key
    policies = without_none(
        name=name,
        key=key,
        start_at=instant_said("start_at", start_at, call.now, zone_name),
        end_at=instant_said("end_at", end_at, call.now, zone_name),
        max_fires=max_fires,
        quiet=quiet,
        misfire=misfire,
        max_cost=max_cost,
        runner=runner,
    )
    done = await call.scheduler.schedule(prompt, when, timezone=timezone, **policies)
    unserved = await call.unserved(done.prompt)
    allowances = await call.scheduler.allowances()
    return {
        "message": _scheduled(call, done, unserved, allowances),
        "created": done.created,
        "retimed": done.retimed,
        "differs": [called(name) for name in done.differs],
        **of_prompt(done.prompt, done.upcoming, unserved),
        "limits": limit_records(allowances),
    }


def _scheduled(call: Call, done: Scheduled, unserved: str | None, allowances: Sequence[Allowance]) -> str:
    prompt = done.prompt
    differs = [called(name) for name in done.differs]
    if done.created:
        head = f"Scheduled {words.title(prompt)}: {words.rhythm(prompt)}."
    elif done.retimed:
        head = f"Nothing new was made: {words.title(prompt)} has that key and now has this text and time: "
        head += f"{words.rhythm(prompt)}."
    else:
        asked = f" Unlike what you asked for: {', '.join(differs)}." if done.differs else " It is as you asked."
        change = " update_scheduled_prompt changes it." if done.differs else ""
        head = (
            f"Nothing new was made: {words.title(prompt)} has the key {prompt.key!r} already and stays as it is: "
            f"{words.rhythm(prompt)}.{asked}{change}"
        )
    return words.told(head, words.next_of(prompt, done.upcoming, call.now, unserved), words.limits(allowances))


@tool(
    "Say when something would run, without scheduling anything: to check a time before schedule_prompt.",
    example={"when": "every month on the last day at 17:00", "timezone": "Europe/Berlin"},
    answer=PreviewAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def preview_schedule(
    call: Call,
    when: When,
    timezone: Zone = None,
    count: Annotated[int, "How many times to show; 5 if left out.", Between(1, 50)] = 5,
    start_at: Start = None,
    end_at: End = None,
    max_fires: Most = None,
    quiet: Quiet = None,
) -> dict[str, Any]:
    when, timezone = apart(when, timezone)
    zone_name = zone(timezone or call.scheduler.timezone).key
    policies = without_none(
        start_at=instant_said("start_at", start_at, call.now, zone_name),
        end_at=instant_said("end_at", end_at, call.now, zone_name),
        max_fires=max_fires,
        quiet=quiet,
    )
    shown = call.scheduler.preview(when, timezone=timezone, count=count, **policies)
    rhythm = words.rhythm(shown.definition)
    if shown.upcoming:
        first = shown.upcoming[:5]
        message = f"{rhythm}. {words.next_runs(shown.definition, first, call.now).replace('It runs', 'It would run')}"
        if not isinstance(shown.schedule, Once) and len(shown.upcoming) > len(first):
            message += f" `upcoming` has {len(shown.upcoming)} of them."
    else:
        message = f"{rhythm}. It would never run."
    return {
        "message": f"{message} Nothing was scheduled.",
        "when": when_of(shown.schedule),
        "timezone": shown.timezone,
        "schedule": rhythm,
        "upcoming": instants(shown.timezone, shown.upcoming),
    }
