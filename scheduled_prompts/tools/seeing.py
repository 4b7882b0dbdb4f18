"""What there is, what became of it, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from scheduled_prompts.caller import Scope
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler.account import Row
from scheduled_prompts.scheduler.sentences import phrase
from scheduled_prompts.tools import words
from scheduled_prompts.tools.answers import (
    ExplainedAnswer,
    FiresAnswer,
    ListAnswer,
    ShownAnswer,
    account_row,
    fire_record,
    limit_records,
    of_prompt,
    policies_of,
    prompt_record,
)
from scheduled_prompts.tools.call import Call
from scheduled_prompts.tools.spec import Between, tool
from scheduled_prompts.upcoming import Occurrence
from scheduled_prompts.views import instant

Which = Annotated[str, "Which one: its id, the last 8 characters of its id, its key, or its name."]
LISTED = 20
LATELY = 5
SHOWN_IN_WORDS = 10
MOST_ROWS = 40
"""How many rows of an account an answer has: the latest."""


@tool(
    "List your scheduled prompts, newest first: those that are to run, and those that are paused or over.",
    example={"status": "active"},
    answer=ListAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def list_scheduled_prompts(
    call: Call,
    status: Annotated[
        PromptStatus | None,
        "Only those: 'scheduled' (to run once), 'active' (recurring), 'paused', 'executed' (over), 'cancelled', "
        "'pending_approval' (a person has to approve it). All if left out.",
    ] = None,
    limit: Annotated[int, "How many at most; 20 if left out.", Between(1, 100)] = LISTED,
    cursor: Annotated[str | None, "For the next page: the `cursor` of the answer before."] = None,
) -> dict[str, Any]:
    page = await call.scheduler.list(status=status, limit=limit, cursor=cursor)
    allowances = await call.scheduler.allowances()
    shown = [(prompt, call.scheduler.upcoming(prompt, 1)) for prompt in page.items]
    number = words.count(len(page.items), f"{status} scheduled prompt" if status else "scheduled prompt")
    head = f"{number}{', and there are more: give the cursor for the next page' if page.cursor else ''}."
    if not page.items:
        head = f"You have no {'more ' if cursor else ''}{f'{status} ' if status else ''}scheduled prompts."
    return {
        "message": words.lines(head, *(_line(*each) for each in shown), words.limits(allowances)),
        "scheduled_prompts": [prompt_record(*each) for each in shown],
        "cursor": page.cursor,
        "limits": limit_records(allowances),
    }


def _line(prompt: ScheduledPrompt, following: Sequence[Occurrence]) -> str:
    then = f"next {words.moment(following[0].due, prompt.timezone)}" if following else str(prompt.status)
    return f"{words.title(prompt)}: {then}"


@tool(
    "Show one of your scheduled prompts: its text, when it runs next, how it runs, and its last runs.",
    example={"id": "issue-summary"},
    answer=ShownAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def get_scheduled_prompt(call: Call, id: Which) -> dict[str, Any]:  # noqa: A002  as the argument is called
    prompt = await call.prompt(id)
    upcoming = call.scheduler.upcoming(prompt)
    unserved = await call.unserved(prompt)
    page = await call.scheduler.history(prompt.id, limit=LATELY)
    fires = [fire_record(fire, prompt.timezone) for fire in page.items]
    last = f"Its last run: {_ran(call, page.items[0], fires[0]['words'])}." if fires else "It has not run yet."
    return {
        "message": words.told(
            f"{words.title(prompt)}: {words.rhythm(prompt)}.",
            words.next_of(prompt, upcoming, call.now, unserved),
            last,
        ),
        **of_prompt(prompt, upcoming, unserved),
        "policies": policies_of(prompt, call.currency),
        "fires": fires,
    }


@tool(
    "List the runs of one of your scheduled prompts, latest first, with what became of each.",
    example={"id": "issue-summary", "limit": 5},
    answer=FiresAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def list_fires(
    call: Call,
    id: Which,  # noqa: A002
    limit: Annotated[int, "How many at most; 10 if left out.", Between(1, 100)] = 10,
    cursor: Annotated[str | None, "For the next page: the `cursor` of the answer before."] = None,
) -> dict[str, Any]:
    prompt = await call.prompt(id)
    page = await call.scheduler.history(prompt.id, limit=limit, cursor=cursor)
    fires = [fire_record(fire, prompt.timezone) for fire in page.items]
    ran = zip(page.items, fires, strict=True)
    lines = [f"{words.moment(fire.due, prompt.timezone)}: {_ran(call, fire, shown['words'])}" for fire, shown in ran]
    more = "There are more: give the cursor for the next page." if page.cursor else None
    head = f"{words.count(len(fires), 'run')} of {words.title(prompt)}, latest first:"
    if not fires:
        upcoming = call.scheduler.upcoming(prompt)
        head = f"{words.title(prompt)} has {'no more runs' if cursor else 'not run yet'}."
        more = words.next_of(prompt, upcoming, call.now, None)
    return {
        "message": words.lines(head, *lines, more),
        "scheduled_prompt": prompt_record(prompt, call.scheduler.upcoming(prompt, 1)),
        "fires": fires,
        "cursor": page.cursor,
    }


def _ran(call: Call, fire: Fire, phrase: str) -> str:
    """What became of a run: first whether it succeeded."""
    if fire.id == call.caller.fire:
        return "running: you are in it"
    return words.told_of(fire.status.value, phrase)


@tool(
    "Explain what became of every time that a scheduled prompt was to run: which ran, and why others did not. With "
    "`at`: why it did or did not run at that time.",
    example={"id": "issue-summary", "at": "2030-12-02 09:00"},
    answer=ExplainedAnswer,
    scope=Scope.READ,
    read_only=True,
    idempotent=True,
)
async def explain_scheduled_prompt(
    call: Call,
    id: Which,  # noqa: A002
    at: Annotated[str | None, "One time to explain, for example '2030-12-02 09:00'."] = None,
    since: Annotated[str | None, "From this date or time on; a week ago if left out."] = None,
    until: Annotated[str | None, "Up to this date or time; what comes next if left out."] = None,
) -> dict[str, Any]:
    prompt = await call.prompt(id)
    zone_name = prompt.timezone
    if at is not None:
        why = await call.scheduler.why(prompt.id, at)
        return {
            "message": f"{words.title(why.prompt)}, {words.moment(why.at, zone_name)}: {why.sentence}",
            "scheduled_prompt": prompt_record(why.prompt, call.scheduler.upcoming(why.prompt, 1)),
            "timezone": zone_name,
            "rows": [] if why.row is None else [account_row(why.row, zone_name)],
            "nearest": [instant(nominal, zone_name) for nominal in why.nearest],
        }
    answer = await call.scheduler.explain(prompt.id, since=since, until=until)
    outcomes: Counter[str] = Counter()
    for row in answer.rows:
        outcomes[row.outcome] += row.number
    return {
        "message": words.lines(_account(answer.prompt, answer.rows, outcomes), *answer.conduct[-SHOWN_IN_WORDS:]),
        "scheduled_prompt": prompt_record(answer.prompt, call.scheduler.upcoming(answer.prompt, 1)),
        "timezone": zone_name,
        "since": instant(answer.since, zone_name),
        "until": instant(answer.until, zone_name),
        "outcomes": dict(outcomes),
        "rows": [account_row(row, zone_name) for row in answer.rows[-MOST_ROWS:]],
        "conduct": answer.conduct[-MOST_ROWS:],
    }


def _account(prompt: ScheduledPrompt, rows: list[Row], outcomes: Counter[str]) -> str:
    if not rows:
        return f"{words.title(prompt)}: its schedule names nothing in this time."
    counted = ", ".join(f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in outcomes.items())
    told = [f"{words.moment(row.first, prompt.timezone)}: {_outcome(prompt, row)}" for row in rows]
    more = f"`rows` has the latest {MOST_ROWS} of {len(rows)}." if len(rows) > MOST_ROWS else None
    return words.lines(f"{words.title(prompt)}: {counted}.", *told[-SHOWN_IN_WORDS:], more)


def _outcome(prompt: ScheduledPrompt, row: Row) -> str:
    return words.told_of(row.outcome, phrase(row, prompt.timezone), row.number)
