"""What a person is shown of one prompt or one schedule: a few lines each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scheduled_prompts.cli.account import BY_FAILURES, REQUESTED, Account, account_lines
from scheduled_prompts.cli.layout import Fields, below_each_other, count, field_lines, in_columns, listed
from scheduled_prompts.cli.moments import absolute, both, coming, how_far, length, why
from scheduled_prompts.cli.naming import reference, said, title
from scheduled_prompts.cli.output import visible
from scheduled_prompts.cli.spending import money_fields
from scheduled_prompts.fire import Fire
from scheduled_prompts.ids import short
from scheduled_prompts.policies import Policies
from scheduled_prompts.policies_words import policies_in_words
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Once, RandomWindow
from scheduled_prompts.schedule.language.words import describe
from scheduled_prompts.scheduler import Approved, NotApproved, Paused, Preview, Resumed, Scheduled, Skipped
from scheduled_prompts.scheduler.conduct import origin_in_words
from scheduled_prompts.scheduler.spending import Spending
from scheduled_prompts.store.records import Cancelled, Quarantined
from scheduled_prompts.upcoming import Occurrence

MOST_NAMED = 10


def scheduled(answer: Scheduled, now: int, currency: str) -> str:
    """The answer to `add`."""
    prompt = answer.prompt
    head = f"scheduled {title(prompt)}" if answer.created else f"{short(prompt.id)} has this key already: nothing added"
    when = "" if answer.created and isinstance(prompt.schedule, Once) else _when(prompt)
    fields = [
        ("when", when),
        ("does", does(prompt, currency)),
        *next_times(answer.upcoming, prompt.timezone, now),
        ("runner", _whither(prompt)),
    ]
    fields += approval_fields(prompt, now)
    if answer.differs:
        fields.append(("differs", f"not as asked for now: {', '.join(answer.differs)}"))
    return "\n".join([head, *field_lines(fields)])


def whole_prompt(
    prompt: ScheduledPrompt,
    upcoming: Sequence[Occurrence],
    last: Fire | None,
    account: Account,
    broken: Quarantined | None,
    spending: Spending,
    now: int,
) -> str:
    """The answer to `show`."""
    zone_name = prompt.timezone
    fields = [
        ("status", standing(prompt, last, now)),
        ("why", why_it_rests(prompt)),
        *approval_fields(prompt, now),
        ("error", f"{visible(broken.error)} (set aside {both(broken.at, zone_name, now)})" if broken else ""),
        ("text", visible(prompt.text)),
        ("when", _when(prompt)),
        ("does", does(prompt, spending.currency)),
        *next_times(upcoming, zone_name, now),
        *below_each_other("skips", [absolute(nominal, zone_name, weekday=True) for nominal in prompt.skips]),
        ("jitter", f"up to {length(prompt.jitter_ms)}" if prompt.jitter else ""),
        ("last", f"{end_in_words(last)}, {both(last.ended_at or last.due, zone_name, now)}" if last else ""),
        ("runner", _whither(prompt)),
        *((name, getattr(prompt, name) or "") for name in ("owner", "agent", "conversation", "key")),
        ("labels", ", ".join(f"{name}={visible(value, lines=False)}" for name, value in prompt.labels.items())),
        ("overlap", overlap_in_words(prompt)),
        ("priority", priority_in_words(prompt)),
        ("concurrency", concurrency_in_words(prompt)),
        ("timeout", length(round(prompt.timeout * 1000))),
        ("retries", retries_in_words(prompt)),
        ("pause after", pause_after_in_words(prompt) if prompt.pause_after != default("pause_after") else ""),
        ("on crash", prompt.on_crash),
        *money_fields(spending),
        ("created", ", ".join(part for part in (both(prompt.created_at, zone_name, now), made_by(prompt)) if part)),
        ("version", str(prompt.version)),
        ("id", prompt.id),
        *below_each_other("lately", account_lines(account, zone_name)),
    ]
    return "\n".join([title(prompt), *field_lines(fields)])


def made_by(prompt: ScheduledPrompt) -> str:
    """Which agent made it, and in which fire; of what people make that is no news."""
    is_an_agents = prompt.agent is not None or prompt.created_in is not None
    return visible(origin_in_words(prompt), lines=False) if is_an_agents else ""


def does(definition: Definition, currency: str) -> str:
    """What its policies make of it, behind when it is."""
    return ", ".join(policies_in_words(definition, currency))


def overlap_in_words(definition: Definition) -> str:
    if definition.overlap == "queue":
        waiting = "one waits" if definition.queue_limit == 1 else f"{definition.queue_limit} wait"
        return f"queue: {waiting} until the one before has ended"
    return {
        "skip": "skip: what is due while one is at work does not run",
        "replace": "replace: the one at work is cancelled, then the next runs",
        "allow": "allow: several run at once",
    }[definition.overlap]


def priority_in_words(definition: Definition) -> str:
    number = str(definition.priority_of())
    return (
        number
        if definition.priority is not None or definition.origin == "schedule"
        else f"{number} ({definition.origin})"
    )


def concurrency_in_words(definition: Definition) -> str:
    if definition.concurrency_key is None:
        return ""
    return f"{definition.concurrency} at once of all with {definition.concurrency_key}"


def outcome(fire: Fire) -> str:
    """How a fire ended, and all that it said."""
    parts = [end_in_words(fire)]
    if fire.lateness_ms is not None:
        parts.append(f"{length(fire.lateness_ms)} late")
    if fire.started_at is not None and fire.ended_at is not None:
        parts.append(f"took {length(fire.ended_at - fire.started_at)}")
    if fire.attempt > 1:
        parts.append(f"attempt {fire.attempt}")
    words = said(fire)
    return "\n".join([", ".join(parts), *([visible(words)] if words else [])])


def queued(prompt: ScheduledPrompt, fire: Fire) -> str:
    """The answer to `run`."""
    return f"{fire.status} {title(prompt)}\n  fire show {reference(fire.id)} will tell what came of it"


def cancelled(prompt_id: str, prompt: ScheduledPrompt | None, done: Cancelled) -> str:
    """The answer to `cancel`. `prompt`: as it is now, where it can be read."""
    was_over = prompt is not None and prompt.status == done.before
    name = short(prompt_id) if prompt is None else title(prompt)
    lines = [f"{name} was {done.before} already" if was_over else f"cancelled {name}"]
    if done.with_it:
        lines.append(f"  cancelled {count(len(done.with_it), 'prompt')} that came of it: {_some(done.with_it)}")
    elif was_over:
        lines.append("  nothing that came of it is left to cancel")
    if done.ended:
        lines.append(f"  {count(done.ended, 'waiting fire')} ended")
    if done.asked_to_stop:
        lines.append(f"  {count(done.asked_to_stop, 'running fire')} asked to stop")
    if done.living:
        go_on = "goes on" if len(done.living) == 1 else "go on"
        lines.append(f"  {count(len(done.living), 'prompt')} that came of it {go_on}: {_some(done.living)}")
        lines.append(f"  cancel {short(prompt_id)} --tree ends what came of it, too")
    return "\n".join(lines)


def _some(prompts: Sequence[str]) -> str:
    """The first of many, by their short ids."""
    return ", ".join(map(short, prompts[:MOST_NAMED])) + (", …" if len(prompts) > MOST_NAMED else "")


def paused(answer: Paused) -> str:
    lines = [f"paused {title(answer.prompt)}"]
    if answer.prompt.pause_note:
        lines += field_lines([("note", visible(answer.prompt.pause_note))])
    if answer.taken_back:
        lines.append(f"  {count(answer.taken_back, 'waiting fire')} taken back")
    lines.append(f"  resume {short(answer.prompt.id)} lets it go on")
    return "\n".join(lines)


def resumed(answer: Resumed, now: int) -> str:
    zone_name = answer.prompt.timezone
    passed = "nothing was to fire meanwhile"
    if answer.passed is not None:
        start, until = (absolute(nominal, zone_name, weekday=True) for nominal in answer.passed)
        passed = f"{start} until {until}: what was to fire then did not, and will not"
    fields = [("passed", passed), *next_times(answer.upcoming, zone_name, now)]
    return "\n".join([f"resumed {title(answer.prompt)}", *field_lines(fields)])


def approved(answer: Approved, now: int) -> str:
    prompt = answer.prompt
    passed = ""
    if answer.passed is not None:
        start, until = (absolute(nominal, prompt.timezone, weekday=True) for nominal in answer.passed)
        passed = f"{start} until {until}: what was to fire then did not, and will not"
    fields = [
        ("text", visible(prompt.text)),
        ("runner", _whither(prompt)),
        ("note", visible(prompt.decision_note or "")),
        ("passed", passed),
        *next_times(answer.upcoming, prompt.timezone, now),
    ]
    return "\n".join([f"approved {title(prompt)}", *field_lines(fields)])


def rejected(answer: NotApproved) -> str:
    lines = [f"rejected {title(answer.prompt)}: it is cancelled"]
    if answer.prompt.decision_note:
        lines += field_lines([("note", visible(answer.prompt.decision_note))])
    if answer.asked_to_stop:
        lines.append(f"  {count(answer.asked_to_stop, 'running fire')} asked to stop")
    return "\n".join(lines)


def skipped(answer: Skipped, mode: str, now: int) -> str:
    prompt = answer.prompt
    when = absolute(answer.nominal, prompt.timezone, weekday=True)
    head = "skipped one occurrence of" if mode == "skip" else "brought back one occurrence of"
    following = next_times(answer.upcoming, prompt.timezone, now)
    fields = [(mode, when), *(following or [("next", _nothing_to_come(prompt))])]
    return "\n".join([f"{head} {title(prompt)}", *field_lines(fields)])


def not_fired_yet(prompt: ScheduledPrompt, now: int) -> str:
    head = f"{title(prompt)} has not fired"
    if not prompt.status.is_armed:
        return f"{head}: it is {prompt.status.replace('_', ' ')}"
    return f"{head} yet: {coming(prompt.next_at, now)}, {absolute(prompt.next_at, prompt.timezone, weekday=True)}"


def previewed(answer: Preview, now: int, currency: str) -> str:
    lines = [describe(answer.schedule, timezone=answer.timezone)]
    following = next_times(answer.upcoming, answer.timezone, now)
    lines += field_lines([("does", does(answer.definition, currency)), *following])
    if not following:
        lines.append("  nothing of it would fire")
    if isinstance(answer.schedule, RandomWindow):
        lines.append("  (drawn at random: a prompt with this schedule has times of its own)")
    return "\n".join(lines)


def standing(prompt: ScheduledPrompt, last: Fire | None, now: int) -> str:
    """Where a prompt stands: `active, 2 failures in a row`, `paused 2 h ago, …`."""
    if prompt.status is PromptStatus.EXECUTED and last is not None and not last.status.has_ended:
        again = f", again {both(last.retry_at, prompt.timezone, now)}" if last.retry_at is not None else ""
        return f"{last.status}{again}, and nothing more to come"
    when = ""
    if prompt.status is PromptStatus.PAUSED and prompt.paused_at is not None:
        when = f" since {absolute(prompt.paused_at, prompt.timezone, weekday=True)}, {how_far(prompt.paused_at, now)}"
    elif prompt.status is PromptStatus.PENDING_APPROVAL:
        since = f" since {absolute(prompt.pending_since, prompt.timezone, weekday=True)}"
        return f"waits for approval{since}, {how_far(prompt.pending_since, now)}"
    elif prompt.ended_at is not None:
        when = f" {how_far(prompt.ended_at, now)}"
    failures = f", {count(prompt.failures, 'failure')} in a row" if prompt.failures else ""
    return f"{prompt.status}{when}{failures}"


def pause_in_words(prompt: ScheduledPrompt) -> str:
    """Why it is paused: the note, and the reason unless somebody just asked for it."""
    reason = "" if prompt.pause_reason == REQUESTED else (prompt.pause_reason or "").replace("_", " ")
    if prompt.pause_reason == BY_FAILURES:
        last = f"; the last error: {visible(prompt.pause_note)}" if prompt.pause_note else ""
        given_up = f"it paused itself after {count(prompt.failures, 'failure')} in a row{last}"
        return f"{given_up}; `resume {short(prompt.id)}` lets it go on"
    return ": ".join(part for part in (reason, visible(prompt.pause_note or "")) if part)


def why_it_rests(prompt: ScheduledPrompt) -> str:
    if prompt.status is PromptStatus.PENDING_APPROVAL:
        return visible(prompt.pending_why or "")
    return pause_in_words(prompt) if prompt.status is PromptStatus.PAUSED else ""


def approval_fields(prompt: ScheduledPrompt, now: int) -> Fields:
    """Who asked for approval, until when it is waited for, and how to decide; or who decided."""
    name, zone_name = short(prompt.id), prompt.timezone
    if prompt.status is PromptStatus.PENDING_APPROVAL:
        edited = [("changed", f"`history {name} --changes` tells from what to what")] if prompt.version > 1 else []
        return [
            ("asked by", visible(prompt.pending_by or "", lines=False)),
            ("until", f"{both(prompt.pending_until, zone_name, now)}: then it is cancelled"),
            ("decide", f"`approve {name} --version {prompt.version}` lets it fire, `reject {name}` ends it"),
            *edited,
        ]
    if prompt.decision is None:
        return []
    by = f" by {visible(prompt.decided_by, lines=False)}" if prompt.decided_by and prompt.decision != "expired" else ""
    note = f": {visible(prompt.decision_note)}" if prompt.decision_note else ""
    return [("approval", f"{prompt.decision}{by} {both(prompt.decided_at, zone_name, now)}{note}")]


def end_in_words(fire: Fire) -> str:
    status = fire.status.replace("_", " ")
    return f"{status} ({why(fire)})" if why(fire) else status


def retries_in_words(definition: Definition) -> str:
    if not definition.retries:
        return "none"
    delays = [length(round(delay * 1000)) for delay in definition.retry_delays[: definition.retries]]
    words = f"{definition.retries}, after {', '.join(delays)}"
    if len(delays) < definition.retries:
        factor = definition.retry_factor
        words += " each" if factor == 1 else f", and then each time {factor:g} times as long"
    if definition.retry_jitter != default("retry_jitter"):
        words += f", ±{definition.retry_jitter * 100:g} %" if definition.retry_jitter else ", to the second"
    if definition.retry_on != default("retry_on"):
        words += f"; only on {listed(definition.retry_on)}"
    return words


def pause_after_in_words(definition: Definition) -> str:
    most = definition.pause_after
    return f"{count(most, 'failed fire')} in a row" if most else "never"


def default(policy: str) -> object:
    return Policies.model_fields[policy].default


def next_times(upcoming: Iterable[Occurrence], zone_name: str, now: int) -> Fields:
    """When it is due next, one line each, below each other."""
    rows = [(coming(due, now), absolute(due, zone_name, weekday=True)) for _, due in upcoming]
    return below_each_other("next", in_columns(rows))


def _nothing_to_come(prompt: ScheduledPrompt) -> str:
    if prompt.status is PromptStatus.PENDING_APPROVAL:
        return "nothing before it is approved"
    return "nothing more is to come" if prompt.status.is_armed else f"nothing while it is {prompt.status}"


def _when(prompt: ScheduledPrompt) -> str:
    return describe(prompt.schedule, timezone=prompt.timezone)


def _whither(prompt: ScheduledPrompt) -> str:
    return prompt.runner if prompt.platform == "default" else f"{prompt.runner}, on platform {prompt.platform}"
