"""The five fields of a cron expression: what may stand in them, and what is said about what may not.

Cron's syntax has dialects, and croniter takes several at once: seconds and years, hashed `H`, random `R`,
`22-6` across midnight, `5-5` for "all". Here the text is held to one dialect, Vixie's with `L` and `#`, and
rewritten into the part on which all agree: lists of plain numbers. Whatever is refused is refused by the
name of its field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from scheduled_prompts.errors import InvalidSchedule

MAX_CRON_LENGTH = 256


ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST_QUOTE = 32


class _Kind(NamedTuple):
    name: str
    low: int
    high: int
    values: int  # how many different ones; Sunday is both 0 and 7
    names: dict[str, int]


_MINUTE = _Kind("minute", 0, 59, 60, {})
_HOUR = _Kind("hour", 0, 23, 24, {})
_DAY = _Kind("day-of-month", 1, 31, 31, {})
_MONTH = _Kind("month", 1, 12, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
_WEEKDAY = _Kind("day-of-week", 0, 7, 7, {name: number for number, name in enumerate(_WEEKDAYS)})
_KINDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


class Field(NamedTuple):
    """One field: the numbers it names (Sunday is 0), and the parts that depend on the month.

    `marks` holds `l` (last day) in day-of-month; `1#2` (second Monday) and `l5` (last Friday) in day-of-week.
    """

    starred: bool  # starts with `*`: what Vixie's rules ask
    numbers: frozenset[int]
    marks: frozenset[str]
    everything: bool

    def __str__(self) -> str:
        if self.everything:
            return "*"
        return ",".join([*map(str, sorted(self.numbers)), *sorted(self.marks)])


ANY_DAY = Field(True, frozenset(range(1, 32)), frozenset(), True)
ANY_WEEKDAY = Field(True, frozenset(range(7)), frozenset(), True)


class Fields(NamedTuple):
    """The five fields of an expression."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field


def read_fields(expression: str) -> Fields:
    """The fields of `expression`. Raises `InvalidSchedule`, naming the field that is wrong."""
    texts = _split(expression)
    return Fields(*(_read_field(kind, text) for kind, text in zip(_KINDS, texts, strict=True)))


def _split(expression: str) -> list[str]:
    if len(expression) > MAX_CRON_LENGTH:
        raise InvalidSchedule(f"a cron expression has at most {MAX_CRON_LENGTH} characters, this one {len(expression)}")
    if not all(" " <= each <= "~" for each in expression):
        raise InvalidSchedule(
            f"the cron expression {_quote(expression)} holds control or special characters",
            hint="separate the five fields by blanks",
        )
    text = expression.strip().upper()
    if text.startswith("@"):
        return _alias(text.lower()).split()
    texts = text.split()
    if len(texts) == len(_KINDS):
        return texts
    layout = "minute hour day-of-month month day-of-week, as in `0 9 * * 1-5`"
    if not texts:
        raise InvalidSchedule("the cron expression is empty", hint=f"it has five fields: {layout}")
    surplus = ": seconds and years are not supported" if len(texts) in (6, 7) else ""
    raise InvalidSchedule(
        f"a cron expression has five fields, {_quote(expression)} has {len(texts)}{surplus}", hint=layout
    )


def _alias(text: str) -> str:
    if text == "@reboot":
        raise InvalidSchedule(
            "@reboot names no time: prompts do not fire because the daemon starts",
            hint=f"use {_either(ALIASES)}",
        )
    if text not in ALIASES:
        raise InvalidSchedule(f"there is no cron alias {_quote(text)}", hint=f"use {_either(ALIASES)}")
    return ALIASES[text]


def _read_field(kind: _Kind, text: str) -> Field:
    numbers: set[int] = set()
    marks: set[str] = set()
    for item in text.split(","):
        if not item:
            _refuse(kind, f"{_quote(text)} has an empty place in its list", "remove the comma")
        mark = _mark(kind, item)
        if mark is None:
            numbers.update(_numbers(kind, item))
        else:
            marks.add(mark)
    if kind is _WEEKDAY:
        numbers = {number % 7 for number in numbers}
        if marks and numbers:
            _refuse(
                kind,
                f"{_quote(text)} mixes plain days with `#` or `L`",
                "use two prompts, one for each sort of day",
            )
    return Field(text.startswith("*"), frozenset(numbers), frozenset(marks), len(numbers) == kind.values)


def _mark(kind: _Kind, item: str) -> str | None:
    """`item` as croniter spells it, if it is one that depends on the month."""
    if kind is _DAY and item == "L":
        return "l"
    if kind is not _WEEKDAY:
        return None
    if "#" in item:
        day, _, nth = item.partition("#")
        if nth not in {"1", "2", "3", "4", "5"}:
            _refuse(kind, f"{_quote(item)}: after `#` comes 1, 2, 3, 4 or 5", "`1#2` is the second Monday")
        return f"{_number(kind, day, item) % 7}#{nth}"
    last = re.fullmatch(r"L(\d|[A-Z]{3})|(\d|[A-Z]{3})L", item)
    if last:
        return f"l{_number(kind, last[1] or last[2], item) % 7}"
    return None


def _numbers(kind: _Kind, item: str) -> range:
    span, slash, step_text = item.partition("/")
    step = _step(kind, step_text, item) if slash else 1
    if span == "*":
        low, high = kind.low, kind.low + kind.values - 1
    elif "-" in span:
        low, high = _range(kind, span, step, item)
    else:
        low = _number(kind, span, item)
        # `5/15` is "from 5 on, every 15th", as croniter and cronsim have it.
        high = max(low, kind.low + kind.values - 1) if slash else low
    return range(low, high + 1, step)


def _step(kind: _Kind, text: str, item: str) -> int:
    step = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0
    if step == 0:
        _refuse(kind, f"{_quote(item)}: a step is a number from 1 on", "`*/5` is every fifth")
    if step > kind.values:
        # Cron would take it and mean the first value only, which is never what is meant.
        _refuse(
            kind,
            f"{_quote(item)}: a step of {step} is larger than the field, which has {kind.values} values",
            "cron starts anew with each hour, day, month or year; `every 90m` counts through",
        )
    return step


def _range(kind: _Kind, span: str, step: int, item: str) -> tuple[int, int]:
    first, _, last = span.partition("-")
    low, high = _number(kind, first, item), _number(kind, last, item)
    if kind is _WEEKDAY and last == "SUN" and low > 0:
        high = 7  # a week that ends on Sunday; written with numbers, 0 stays the first day
    if low > high:
        _refuse(kind, f"{_quote(item)} runs backwards", f"write {_over_the_end(kind, first, last, low, high, step)}")
    return low, high


def _over_the_end(kind: _Kind, first: str, last: str, low: int, high: int, step: int) -> str:
    """What a range that runs backwards is to mean: on to the field's end, and from its beginning."""
    if low == 7 and kind is _WEEKDAY:
        first, low = "0", 0
    steps = range(low, high + (0 if low <= high else kind.values) + 1, step)
    if step > 1:
        return ",".join(str(number) for number in sorted((each - kind.low) % kind.values + kind.low for each in steps))
    if low <= high:
        return first if low == high else f"{first}-{last}"
    *_, top = kind.names if first in kind.names else (str(kind.low + kind.values - 1),)
    bottom, *_ = kind.names if last in kind.names else (str(kind.low),)
    return ",".join(start if start == end else f"{start}-{end}" for start, end in ((first, top), (bottom, last)))


def _number(kind: _Kind, text: str, item: str) -> int:
    if text in kind.names:
        return kind.names[text]
    if re.fullmatch(r"[0-9]{1,9}", text):
        number = int(text)
        if not kind.low <= number <= kind.high:
            _refuse(kind, f"{number} is out of range {kind.low}–{kind.high}")
        return number
    return _refuse(kind, f"{_quote(item)} is not understood", _why_not(kind, item))


def _why_not(kind: _Kind, item: str) -> str:
    if "?" in item:
        return "write `*` instead of `?`"
    if re.fullmatch(r"(H|R)(\(.*\))?(/.*)?", item):
        return "`H` and `R` are not supported: name the value, or use a random window"
    if "W" in item and kind is _DAY:
        return "`W` (the nearest weekday) is not supported"
    if "L" in item and kind in (_DAY, _WEEKDAY):
        return "`L` stands alone in day-of-month (the last day); in day-of-week `5L` is the last Friday"
    if "#" in item:
        return "`#` belongs into day-of-week: `1#2` is the second Monday"
    names = f", {next(iter(kind.names))}" if kind.names else ""
    return f"use `*`, numbers from {kind.low} to {kind.high}{names}, lists `a,b`, ranges `a-b`, steps `*/n`"


def _refuse(kind: _Kind, what: str, hint: str | None = None) -> NoReturn:
    raise InvalidSchedule(f"{kind.name}: {what}", hint=hint)


def _either(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


def _quote(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…")
