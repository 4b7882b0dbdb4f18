"""From what a model gave to a handler's arguments: read generously where the meaning is certain, else refused with the
form that is right.

Certain is: a number or a truth as a text, null or an empty text for what is left out, the arguments as JSON text or in
one needless wrapper, another common name of an argument, a time in an object of its own. What was read otherwise than
it was said is told in a note, so that the next call is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, NamedTuple

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.tools.nested import snake, when_from
from scheduled_prompts.tools.spec import Argument, ToolSpec

WRAPPERS = ("arguments", "args", "input", "inputs", "parameters", "params", "kwargs", "tool_input", "properties")
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("text", "message", "task", "content", "instruction", "instructions", "prompt_text", "description"),
    "when": ("schedule", "cron", "cron_expression", "crontab", "recurrence", "trigger"),
    "timezone": ("tz", "time_zone", "zone"),
    "id": ("prompt_id", "scheduled_prompt_id", "schedule_id", "task_id", "job_id", "identifier"),
    "name": ("title", "label"),
    "key": ("idempotency_key", "unique_key"),
    "start_at": ("start", "start_date", "starts_at", "start_time", "from", "not_before"),
    "end_at": ("end", "end_date", "ends_at", "end_time", "until", "expires_at"),
    "max_fires": ("max_runs", "max_occurrences", "repeat_count", "times"),
    "occurrence": ("at", "time", "date", "nominal"),
    "note": ("reason", "comment"),
    "limit": ("max_results", "page_size"),
    "count": ("limit", "number", "n"),
    "quiet": ("quiet_hours",),
}
"""By what else models call an argument, where the tool has none of that name."""
IDENTITY = ("owner", "agent", "conversation", "platform", "user", "user_id", "caller", "conversation_id", "agent_id")
"""Who is calling is bound by the host, and never an argument."""
NOTHING = ("", "null", "undefined")
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FENCE = re.compile(r"\A\s*```[a-z]*\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
MOST_TEXT = 1_000_000
MOST_ARGUMENTS = 100
"""More than any tool has, and than any model means."""
LONGEST_WORD = 100
"""So much of what is none of the words that are known is compared with them."""


class Given(NamedTuple):
    """Arguments as a handler takes them; `notes`: what was read otherwise than it was said."""

    values: dict[str, Any]
    notes: list[str]


def read_arguments(spec: ToolSpec, said: Mapping[str, Any] | str | None) -> Given:
    """Raises InvalidInput, with every problem and an example of what would be right."""
    notes: list[str] = []
    given = _by_name(spec, _unwrapped(spec, _object(spec, said)), notes)
    problems: list[str] = []
    values: dict[str, Any] = {}
    for argument in spec.arguments:
        if argument.name not in given:
            continue
        try:
            value = _value(argument, given.pop(argument.name))
        except ValueError as error:
            problems.append(f"{argument.name}: {error}")
            continue
        if value is not None:
            values[argument.name] = value
    problems += [_unknown(spec, name) for name in given]
    wrong = {problem.partition(":")[0] for problem in problems}
    missing = [a.name for a in spec.arguments if a.required and a.name not in values and a.name not in wrong]
    problems += [f"{name} is missing" for name in missing]
    if problems:
        raise InvalidInput("; ".join(problems), hint=f"a call looks like this: {example_of(spec)}")
    return Given(values, notes)


def example_of(spec: ToolSpec) -> str:
    return f"{spec.name}({json.dumps(spec.example, ensure_ascii=False)})"


def _object(spec: ToolSpec, said: object) -> dict[str, Any]:
    """The arguments as an object, also where they are the JSON of one, or the JSON of that."""
    for _ in range(3):
        if said is None or (isinstance(said, str) and said.strip() in NOTHING):
            return {}
        if isinstance(said, Mapping):
            if len(said) > MOST_ARGUMENTS:
                raise InvalidInput(
                    f"those are {len(said):,} arguments", hint=f"a call looks like this: {example_of(spec)}"
                )
            return {str(name): value for name, value in said.items()}
        if isinstance(said, list) and len(said) == 1:
            said = said[0]
            continue
        if not isinstance(said, str) or len(said) > MOST_TEXT:
            break
        fenced = _FENCE.match(said)
        try:
            said = json.loads(fenced[1] if fenced else said)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                f"the arguments are not JSON: {str(error)[:200]}", hint=f"a call looks like this: {example_of(spec)}"
            ) from error
    raise InvalidInput("the arguments are not an object", hint=f"a call looks like this: {example_of(spec)}")


def _unwrapped(spec: ToolSpec, given: dict[str, Any]) -> dict[str, Any]:
    """Without one needless wrapper: `{"arguments": {…}}`, `{"name": <tool>, "arguments": {…}}`, `{<tool>: {…}}`."""
    inner = dict(given)
    for name in ("name", "tool", "tool_name", "function"):
        if inner.get(name) == spec.name and len(inner) == 2:
            del inner[name]
    if len(inner) != 1:
        return given
    [(name, value)] = inner.items()
    if name in {a.name for a in spec.arguments} or name not in (*WRAPPERS, spec.name):
        return given
    if isinstance(value, str | Mapping) or value is None:
        return _object(spec, value)
    return given


def _by_name(spec: ToolSpec, given: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """By the names of the arguments. What nobody knows stays as it is, unless it says nothing."""
    known = {a.name for a in spec.arguments}
    found = {name: value for name, value in given.items() if name in known}
    rest: dict[str, Any] = {}
    for name, value in given.items():
        if name in known or _is_nothing(value):
            continue
        plain = snake(name)
        if plain in known and _is_nothing(found.get(plain)):
            found[plain] = value
        else:
            rest[plain if plain in known else name] = value
    for name, others in OTHER_NAMES.items():
        said = [each for each in rest if snake(each) in others]
        if name in known and len(said) == 1 and _is_nothing(found.get(name)):
            found[name] = rest.pop(said[0])
            notes.append(f"there is no argument {said[0]!r}; it was read as {name}")
    if "when" in known:
        _read_when(found, rest, known, notes)
    return {**found, **rest}


def _read_when(found: dict[str, Any], rest: dict[str, Any], known: set[str], notes: list[str]) -> None:
    """A time that was said in an object, or in several arguments, as the one text that it is."""
    nested = found.get("when")
    if isinstance(nested, str) and nested.lstrip().startswith("{"):
        try:
            nested = json.loads(nested)
        except (ValueError, RecursionError):
            return
    if isinstance(nested, Mapping):
        said = {str(name): value for name, value in nested.items()}
    elif _is_nothing(nested):
        said = {name: value for name, value in rest.items() if snake(name) not in IDENTITY}
    else:
        return
    read = when_from(said)
    if read is None:
        return
    when, more = read
    if any(name in known and not _is_nothing(found.get(name)) and found[name] != v for name, v in more.items()):
        return
    for name in said:
        rest.pop(name, None)
    found |= {"when": when, **{name: value for name, value in more.items() if name in known}}
    notes.append(f"the time is one text; it was read as when={when!r}")


def _value(argument: Argument, said: Any) -> Any:
    """A value as the handler takes it; None where it says nothing. Raises ValueError."""
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if _is_nothing(said) or (said == "None" and argument.name != "quiet"):
        return None
    if argument.kind == "string":
        return _text(argument, said)
    if argument.kind == "boolean":
        truth = said if isinstance(said, bool) else TRUTHS.get(str(said).strip().lower())
        if truth is None:
            raise ValueError(f"{_shown(said)} is not true or false")
        return truth
    return _number(argument, said)


def _text(argument: Argument, said: Any) -> str:
    if isinstance(said, Mapping) and len(said) == 1:  # {"text": "…"}, {"value": "…"}
        [(name, inner)] = said.items()
        if snake(str(name)) in ("text", "value", "content", "name", argument.name) and isinstance(inner, str):
            said = inner
    if isinstance(said, list):
        if argument.name == "remove":
            said = ", ".join(str(each) for each in said)
        elif argument.name == "when":
            raise ValueError("it is one text, not a list; make one call for each time")
    if isinstance(said, int | float) and not isinstance(said, bool):
        said = str(said)
    if not isinstance(said, str):
        raise ValueError(f"{_shown(said)} is not a text{_such_as(argument)}")
    if not argument.choices:
        return said if argument.name == "prompt" else said.strip()
    word = said.strip().lower().replace(" ", "_").replace("-", "_")
    if word in argument.choices:
        return word
    near = get_close_matches(word[:LONGEST_WORD], argument.choices, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{_shown(said)} is none of {', '.join(argument.choices)}{meant}")


def _such_as(argument: Argument) -> str:
    return " such as 'every weekday at 9am'" if argument.name == "when" else ""


def _number(argument: Argument, said: Any) -> int | Decimal:
    text = str(said).strip().replace("_", "")
    if isinstance(said, bool) or not isinstance(said, int | float | str) or not _NUMBER.fullmatch(text):
        raise ValueError(f"{_shown(said)} is not a number")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{_shown(said)} is not a number") from error
    if argument.kind == "integer":
        if number != number.to_integral_value():
            raise ValueError(f"{_shown(said)} is not a whole number")
        number = Decimal(int(number))
    if argument.between is not None and not argument.between.least <= number <= argument.between.most:
        raise ValueError(f"{_shown(said)} is out of range: {argument.between.least} to {argument.between.most}")
    return int(number) if argument.kind == "integer" else number


def _unknown(spec: ToolSpec, name: str) -> str:
    """What is wrong with an argument that there is none of, and what is right instead."""
    known = [a.name for a in spec.arguments]
    plain = snake(name)
    if plain in IDENTITY:
        return f"there is no argument {name!r}: who is calling is known already; leave it out"
    same = next((right for right, others in OTHER_NAMES.items() if plain in others and right in known), None)
    if same == "when" or ("when" in known and plain in ("time", "date", "at", "every", "interval", "frequency")):
        return f"there is no argument {name!r}; say it as when='every weekday at 9am'"
    near = [same] if same else get_close_matches(plain[:LONGEST_WORD], known, 1)
    return f"there is no argument {_shown(name)}" + (f"; did you mean {near[0]!r}?" if near else "")


def _is_nothing(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in NOTHING
    return value is None or value == [] or value == {}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
