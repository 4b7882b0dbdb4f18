"""The message of an answer: in plain English, what is so now and what will happen next."""

from __future__ import annotations

from collections.abc import Sequence

from scheduled_prompts.ids import short
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule.language.words import describe, relative
from scheduled_prompts.scheduler.allowances import Allowance
from scheduled_prompts.scheduler.sentences import moment as exact_moment
from scheduled_prompts.upcoming import Occurrence

LONGEST_TITLE = 48
MOST_NAMED = 10
MEANT = {
    "active_per_owner": "{used:g} of {most:g} active scheduled prompts are in use",
    "active_per_conversation": "{used:g} of {most:g} active scheduled prompts of this conversation are in use",
    "active_per_tree": "{used:g} of {most:g} active scheduled prompts that came of one another are in use",
    "fires_per_owner": "{used:g} of {most:g} runs in 24 h are used up",
    "fires_per_conversation": "{used:g} of {most:g} runs of this conversation in 24 h are used up",
    "fires_per_tree": "{used:g} of {most:g} runs in 24 h of what came of one another are used up",
    "made_per_owner": "{used:g} of {most:g} new scheduled prompts in 24 h are used up",
    "min_interval": "runs come at least {most:g} s apart",
    "max_depth": "what is scheduled inside of a run may have depth {most:g}, and this run has depth {used:g}",
}
NO_DEEPER = "this run may re-time itself, and schedule nothing new"


def title(prompt: ScheduledPrompt) -> str:
    """How a message calls a prompt: by its name, its key or the beginning of its text; and by its id."""
    return f"“{called(prompt)}” (id {short(prompt.id)})"


def called(prompt: ScheduledPrompt) -> str:
    """Its name, its key or the beginning of its text."""
    words = " ".join((prompt.name or prompt.key or prompt.text).split())
    return words if len(words) <= LONGEST_TITLE else words[: LONGEST_TITLE - 1].rstrip() + "…"


def moment(ms: int, timezone: str) -> str:
    """`Tue 2026-12-01 09:00 +01:00`; seconds where there are any, and no fraction of one."""
    return exact_moment(ms - ms % 1000, timezone)


def told(*sentences: str | None) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def told_of(outcome: str, phrase: str, times: int = 1) -> str:
    """`succeeded, 3 ms late`."""
    often = f" ({times:,} times)" if times > 1 else ""
    return f"{outcome.replace('_', ' ')}{often}{f', {phrase}' if phrase else ''}"


def lines(*said: str | None) -> str:
    return "\n".join(line for line in said if line)


def going_on(living: Sequence[str]) -> str | None:
    """What was made in the runs of a prompt that is cancelled, and what ends it."""
    if not living:
        return None
    named = ", ".join(short(one) for one in living[:MOST_NAMED]) + (", …" if len(living) > MOST_NAMED else "")
    those, each = ("goes on", "it") if len(living) == 1 else ("go on", "each of them")
    made = count(len(living), "scheduled prompt")
    return f"{made} made in its runs {those}: {named}. cancel_scheduled_prompt ends {each}."


def next_runs(definition: Definition, upcoming: Sequence[Occurrence], now: int) -> str:
    """When it runs next, up to five times, on the prompt's clock."""
    if not upcoming:
        return "It will not run again as things stand."
    first, *others = (moment(each.due, definition.timezone) for each in upcoming)
    distance = relative(upcoming[0].due - now)
    then = f", then {', '.join(others)}" if others else ", and then never again"
    return f"It runs next {first} ({distance}){then}. These are times in {definition.timezone}."


def rhythm(definition: Definition) -> str:
    return describe(definition.schedule, timezone=definition.timezone)


def standing(prompt: ScheduledPrompt) -> str | None:
    """What keeps a prompt from running, where its status does."""
    match prompt.status.value:
        case PromptStatus.PENDING_APPROVAL:
            until = "" if prompt.pending_until is None else f" by {moment(prompt.pending_until, prompt.timezone)}"
            return (
                f"It waits for a person to approve it ({prompt.pending_why}). Until then it does not run, and if "
                f"nobody does{until}, it is cancelled. You cannot approve it."
            )
        case PromptStatus.PAUSED:
            note = f" ({prompt.pause_note})" if prompt.pause_note else ""
            return f"It is paused{note}: resume_scheduled_prompt lets it run again."
        case PromptStatus.QUARANTINED:
            return "It was set aside because something is wrong with it; a person has to look at it."
        case PromptStatus.EXECUTED:
            return "It is over: nothing is left to come. update_scheduled_prompt with a new `when` revives it."
        case PromptStatus.CANCELLED:
            note = f": {prompt.decision_note}" if prompt.decision_note else ""
            rejected = f" A person rejected it{note}." if prompt.decision == "rejected" else ""
            expired = " Nobody approved it in time." if prompt.decision == "expired" else ""
            return f"It is cancelled for good.{rejected}{expired}"
        case _:
            return None


def next_of(prompt: ScheduledPrompt, upcoming: Sequence[Occurrence], now: int, unserved: str | None) -> str:
    """What will happen next with a prompt, whatever keeps it."""
    state = standing(prompt)
    if state is not None:
        return state
    return told(next_runs(prompt, upcoming, now), waiting(unserved))


def waiting(unserved: str | None) -> str | None:
    return None if unserved is None else f"But now nothing would run it: {unserved}."


def limits(allowances: Sequence[Allowance]) -> str | None:
    """How much of which limit is used."""
    said = [_limit(each) for each in allowances if each.name in MEANT]
    return f"Limits: {'; '.join(said)}." if said else None


def _limit(allowance: Allowance) -> str:
    used = allowance.used or 0
    if allowance.name == "max_depth" and used >= allowance.most:
        return NO_DEEPER
    return MEANT[allowance.name].format(used=used, most=allowance.most)


def count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
