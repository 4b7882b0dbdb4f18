"""Changing what is booked: other words, another time, a pause, an end, a run beside the schedule."""

from __future__ import annotations

from typing import Annotated, Any

from scheduled_prompts.caller import Scope
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.limits import MOST_DAYS
from scheduled_prompts.tools import words
from scheduled_prompts.tools.answers import (
    CancelledAnswer,
    CleanedAnswer,
    FireAnswer,
    PausedAnswer,
    PromptAnswer,
    SkippedAnswer,
    UpdatedAnswer,
    called,
    fire_record,
    of_prompt,
    prompt_record,
)
from scheduled_prompts.tools.call import Call, without_none
from scheduled_prompts.tools.making import Cost, End, Misfire, Most, Quiet, Runner, Start, Zone
from scheduled_prompts.tools.seeing import Which
from scheduled_prompts.tools.spec import Between, tool
from scheduled_prompts.tools.times import apart, instant_said
from scheduled_prompts.views import instant

REMOVABLE = ("name", "start_at", "end_at", "max_fires", "quiet", "misfire", "max_cost")


@tool(
    "Change one of your scheduled prompts: its text, its time, or how it runs. Only what is given is changed.",
    example={"id": "issue-summary", "when": "every weekday at 10am"},
    answer=UpdatedAnswer,
    scope=Scope.WRITE,
)
async def update_scheduled_prompt(
    call: Call,
    id: Which,  # noqa: A002  as the argument is called
    prompt: Annotated[str | None, "Another text: all of it, it replaces the one before."] = None,
    when: Annotated[
        str | None, "Another time, as schedule_prompt takes it: 'in 20m', 'every weekday at 9am', '0 9 * * 1-5'."
    ] = None,
    timezone: Zone = None,
    name: Annotated[str | None, "Another title."] = None,
    start_at: Start = None,
    end_at: End = None,
    max_fires: Most = None,
    quiet: Quiet = None,
    misfire: Misfire = None,
    max_cost: Cost = None,
    runner: Runner = None,
    remove: Annotated[
        str | None, f"What is to be set no longer, with commas, for example 'end_at'. Of: {', '.join(REMOVABLE)}."
    ] = None,
    version: Annotated[
        int | None, "Only if it is still this `version`; leave it out to change it as it is now.", Between(1, 10**15)
    ] = None,
) -> dict[str, Any]:
    found = await call.prompt(id)
    if when is not None:
        when, timezone = apart(when, timezone)
    zone_name = timezone or found.timezone
    changes = without_none(
        text=prompt,
        timezone=timezone,
        name=name,
        start_at=instant_said("start_at", start_at, call.now, zone_name),
        end_at=instant_said("end_at", end_at, call.now, zone_name),
        max_fires=max_fires,
        quiet=quiet,
        misfire=misfire,
        max_cost=max_cost,
        runner=runner,
    )
    changes |= _removed(remove, changes)
    if when is None and not changes:
        raise InvalidInput("nothing was said that is to change", hint="give for example when='every weekday at 10am'")
    done = await call.scheduler.edit(found.id, version=version, force=version is None, when=when, **changes)
    unserved = await call.unserved(done.prompt)
    changed = [called(name) for name in done.changed]
    head = f"Changed {', '.join(changed)} of {words.title(done.prompt)}" if changed else "Nothing had to be changed: "
    head += f": {words.rhythm(done.prompt)}." if changed else f"{words.title(done.prompt)} is so already."
    return {
        "message": words.told(head, words.next_of(done.prompt, done.upcoming, call.now, unserved)),
        "changed": changed,
        **of_prompt(done.prompt, done.upcoming, unserved),
    }


def _removed(remove: str | None, changes: dict[str, Any]) -> dict[str, None]:
    names = [name.strip() for name in (remove or "").split(",") if name.strip()]
    for name in names:
        if name not in REMOVABLE:
            raise InvalidInput(f"remove: {name!r} cannot be removed", hint=f"of: {', '.join(REMOVABLE)}")
        if name in changes:
            raise InvalidInput(f"remove: {name!r} is given another value, too", hint="one of the two")
    return dict.fromkeys(names)


@tool(
    "Cancel one of your scheduled prompts for good: it does not run any more. To stop it for a while, use "
    "pause_scheduled_prompt.",
    example={"id": "issue-summary"},
    answer=CancelledAnswer,
    scope=Scope.WRITE,
    destructive=True,
    idempotent=True,
)
async def cancel_scheduled_prompt(call: Call, id: Which) -> dict[str, Any]:  # noqa: A002
    prompt = await call.prompt(id)
    done = await call.scheduler.cancel(prompt.id)
    after = await call.scheduler.get(prompt.id)
    waited = f"{words.count(done.ended, 'run')} that waited will not start." if done.ended else None
    running = f"{words.count(done.asked_to_stop, 'run')} under way was asked to stop." if done.asked_to_stop else None
    return {
        "message": words.told(
            f"Cancelled {words.title(after)}: it will not run again.", waited, running, words.going_on(done.living)
        ),
        "scheduled_prompt": prompt_record(after, ()),
        "ended": done.ended,
        "asked_to_stop": done.asked_to_stop,
        "still_living": list(done.living),
    }


@tool(
    "Pause one of your scheduled prompts: it does not run until resume_scheduled_prompt.",
    example={"id": "issue-summary", "note": "on holiday until monday"},
    answer=PausedAnswer,
    scope=Scope.WRITE,
    idempotent=True,
)
async def pause_scheduled_prompt(
    call: Call,
    id: Which,  # noqa: A002
    note: Annotated[str | None, "Why, for whoever looks at it."] = None,
) -> dict[str, Any]:
    prompt = await call.prompt(id)
    done = await call.scheduler.pause(prompt.id, note)
    back = f"{words.count(done.taken_back, 'run')} that waited will not start." if done.taken_back else None
    return {
        "message": words.told(f"Paused {words.title(done.prompt)}.", words.standing(done.prompt), back),
        **of_prompt(done.prompt, (), None),
        "taken_back": done.taken_back,
    }


@tool(
    "Let a paused scheduled prompt run again, from its next time on.",
    example={"id": "issue-summary"},
    answer=PromptAnswer,
    scope=Scope.WRITE,
    idempotent=True,
)
async def resume_scheduled_prompt(call: Call, id: Which) -> dict[str, Any]:  # noqa: A002
    prompt = await call.prompt(id)
    done = await call.scheduler.resume(prompt.id)
    unserved = await call.unserved(done.prompt)
    passed = "What passed during the pause is not made up for." if done.passed else None
    return {
        "message": words.told(
            f"Resumed {words.title(done.prompt)}.",
            words.next_of(done.prompt, done.upcoming, call.now, unserved),
            passed,
        ),
        **of_prompt(done.prompt, done.upcoming, unserved),
    }


@tool(
    "Run one of your scheduled prompts once, now, beside its schedule, which stays as it is.",
    example={"id": "issue-summary"},
    answer=FireAnswer,
    scope=Scope.RUN,
)
async def run_scheduled_prompt_now(call: Call, id: Which) -> dict[str, Any]:  # noqa: A002
    prompt = await call.prompt(id)
    fire = await call.scheduler.run_now(prompt.id)
    after = await call.scheduler.get(prompt.id)
    unserved = await call.unserved(after)
    return {
        "message": words.told(
            f"A run of {words.title(after)} is {fire.status}; list_fires shows what becomes of it.",
            words.waiting(unserved),
            "Its schedule stays as it is.",
        ),
        "fire": fire_record(fire, after.timezone),
        "scheduled_prompt": prompt_record(after, call.scheduler.upcoming(after, 1)),
        "unserved": unserved,
    }


@tool(
    "Leave out one coming run of a scheduled prompt: the next one, or the one at a given time. With undo: let it run "
    "after all.",
    example={"id": "issue-summary", "occurrence": "next"},
    answer=SkippedAnswer,
    scope=Scope.WRITE,
)
async def skip_occurrence(
    call: Call,
    id: Which,  # noqa: A002
    occurrence: Annotated[str, "'next', or its time, for example '2030-12-02 09:00'; 'next' if left out."] = "next",
    undo: Annotated[bool, "true: it is not left out after all."] = False,
) -> dict[str, Any]:
    prompt = await call.prompt(id)
    change = call.scheduler.unskip if undo else call.scheduler.skip
    named = "next" if occurrence.lower() == "next" else occurrence
    done = await change(prompt.id, named)
    unserved = await call.unserved(done.prompt)
    then = words.moment(done.nominal, done.prompt.timezone)
    head = f"{words.title(done.prompt)} {'runs after all' if undo else 'does not run'} on {then}."
    return {
        "message": words.told(head, words.next_of(done.prompt, done.upcoming, call.now, unserved)),
        "occurrence": instant(done.nominal, done.prompt.timezone),
        **of_prompt(done.prompt, done.upcoming, unserved),
    }


@tool(
    "Delete those of your scheduled prompts that have been over for long, with all that is known of their runs. It "
    "cannot be undone.",
    example={"days": 30},
    answer=CleanedAnswer,
    scope=Scope.CLEANUP,
    destructive=True,
    idempotent=True,
)
async def cleanup_expired_prompts(
    call: Call,
    days: Annotated[int, "Those that ended more than so many days ago; 30 if left out.", Between(0, MOST_DAYS)] = 30,
) -> dict[str, Any]:
    purged = await call.scheduler.clean_up(days)
    return {
        "message": f"Deleted {words.count(purged.prompts, 'scheduled prompt')} that ended more than "
        f"{words.count(days, 'day')} ago, and {words.count(purged.fires, 'run')}.",
        "deleted_prompts": purged.prompts,
        "deleted_fires": purged.fires,
    }
