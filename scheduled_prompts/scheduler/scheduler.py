"""What a caller can do with prompts. It needs no daemon: it writes to the store, and daemons that live take notice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, Self

from pydantic import ValidationError
from redis.asyncio import Redis

from scheduled_prompts import ids
from scheduled_prompts.claims import manual_claim
from scheduled_prompts.clock import Clock
from scheduled_prompts.errors import Conflict, InvalidInput, InvalidSchedule, NotFound, StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import (
    Cron,
    Interval,
    Once,
    RandomWindow,
    Schedule,
    system_timezone,
    zone,
)
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import Cancelled, DaemonInfo, Unreadable
from scheduled_prompts.upcoming import Occurrence, occurrences

When = str | Once | Schedule | datetime
UPCOMING = 5
MOST_UPCOMING = 1000
MOST_LISTED = 1000
MATCHES_SHOWN = 5


Rows = list[tuple[str, int]]


class Scheduled(NamedTuple):
    """The answer to `schedule`. `created` is False where a living prompt has the same key; then `differs` names what is
    not as it was asked for now."""

    created: bool
    prompt: ScheduledPrompt
    upcoming: list[Occurrence]
    differs: list[str]


Occurrences = list[Occurrence]


class Preview(NamedTuple):
    schedule: Schedule
    timezone: str
    upcoming: list[Occurrence]


class PromptPage(NamedTuple):
    items: list[ScheduledPrompt]
    cursor: str | None


class FirePage(NamedTuple):
    items: list[Fire]
    cursor: str | None


class Scheduler:
    """Prompts in one store.

    `where`: a store's URL, a redis-py asyncio client, or an open `Store` (which stays the caller's). `timezone`: the
    zone of prompts that name none; None: the system's. Use it as an async context manager, or call `open` and
    `close`.

    All calls raise StoreUnreachable where the store does not answer.
    """

    def __init__(
        self,
        where: str | Redis | Store = "embedded:",
        *,
        namespace: str = "sp",
        timezone: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.store = where if isinstance(where, Store) else Store(where, namespace=namespace, clock=clock)
        self._owns_store = not isinstance(where, Store)
        self.clock = self.store.clock
        self.timezone = zone(timezone or system_timezone()).key

    async def open(self) -> Self:
        if self._owns_store:
            await self.store.open()
        return self

    async def close(self) -> None:
        if self._owns_store:
            await self.store.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def schedule(self, text: str, when: When, *, timezone: str | None = None, **definition: Any) -> Scheduled:
        """Store a new prompt.

        `when`: the grammar's text, one of the four kinds, or a datetime (a naive one is the zone's wall clock). Further
        arguments are the fields of `Definition`: name, key, runner, platform, owner, agent, conversation, labels,
        priority, timeout, retries, …

        With a `key` that a living prompt of the same owner has, nothing is changed and that prompt is returned.
        Raises InvalidInput (InvalidSchedule, UnknownTimezone) for anything that is refused.
        """
        now = self.clock.now()
        zone_name = zone(timezone or self.timezone).key
        schedule = _to_schedule(when, now, zone_name)
        defined = _validated({**definition, "text": text, "schedule": schedule, "timezone": zone_name})
        prompt_id = ids.new_prompt_id(now, self.clock.random)
        coming = occurrences(defined.schedule, now, UPCOMING, zone_name, defined.jitter_ms, prompt_id)
        if not coming:
            raise InvalidSchedule("this schedule names no instant in the future")
        prompt = ScheduledPrompt.model_construct(
            **{name: getattr(defined, name) for name in Definition.model_fields},
            id=prompt_id,
            status=PromptStatus.SCHEDULED if isinstance(schedule, Once) else PromptStatus.ACTIVE,
            next_nominal=coming[0].nominal,
            next_at=coming[0].due,
            created_at=now,
            updated_at=now,
        )
        holder = await self.store.create(prompt)
        if holder is None:
            return Scheduled(True, prompt, coming, [])
        existing = await self.get(holder)
        return Scheduled(False, existing, self.upcoming(existing), _differences(existing, prompt))

    async def get(self, id_or_part: str) -> ScheduledPrompt:
        """A prompt by its id, or by any unambiguous beginning or end of it.

        Raises NotFound; InvalidInput where several match; StoreUnusable where the record cannot be read.
        """
        prompt_id = await self.resolve(id_or_part)
        found = (await self.store.read_prompts([prompt_id]))[0]
        if found is None:
            raise NotFound(f"there is no prompt {id_or_part!r}", hint="`list` shows the prompts there are")
        if isinstance(found, Unreadable):
            raise StoreUnusable(f"prompt {prompt_id} cannot be read: {found.error}")
        return found

    async def resolve(self, id_or_part: str) -> str:
        """The full id. Raises NotFound, or InvalidInput where several match."""
        part = id_or_part.strip().upper()
        if not ids.could_be_part_of_an_id(part):
            raise NotFound(
                f"{id_or_part!r} is not an id, nor a part of one", hint="`list` shows the ids there are; names are none"
            )
        if len(part) == ids.ID_LENGTH:
            return part
        matches = await self._with_prefix(part) + await self._with_suffix(part)
        unique = sorted(set(matches))
        if not unique:
            raise NotFound(f"there is no prompt {id_or_part!r}", hint="`list` shows the prompts there are")
        if len(unique) > 1:
            shown = ", ".join(unique[:MATCHES_SHOWN]) + (", …" if len(unique) > MATCHES_SHOWN else "")
            raise InvalidInput(f"{id_or_part!r} could be {len(unique)} prompts: {shown}", hint="give more of the id")
        return unique[0]

    async def _with_prefix(self, part: str) -> list[str]:
        oldest, newest = ids.first_instant(part), ids.last_instant(part)
        return await self._matching(oldest, newest, lambda prompt_id: prompt_id.startswith(part))

    async def _with_suffix(self, part: str) -> list[str]:
        """The end of an id, or the beginning of that end which people are shown."""
        return await self._matching("-inf", "+inf", lambda i: i.endswith(part) or ids.short(i).startswith(part))

    async def _matching(self, oldest: int | str, newest: int | str, matches: Any) -> list[str]:
        found: list[str] = []
        offset, page = 0, 5_000
        while True:
            rows = await self.store.ids_by_creation(oldest=oldest, newest=newest, offset=offset, count=page)
            found += [prompt_id for prompt_id, _ in rows if matches(prompt_id)]
            if len(rows) < page or len(found) > MATCHES_SHOWN:
                return found
            offset += page

    async def list(
        self,
        *,
        status: str | None = None,
        owner: str | None = None,
        platform: str | None = None,
        agent: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PromptPage:
        """Prompts, newest first; all filters must match. `cursor` is that of the page before.

        Raises InvalidInput for an unknown status, a limit out of 1–1,000, or a cursor that is none.
        """
        if status is not None and status not in set(PromptStatus):
            raise InvalidInput(f"there is no status {status!r}", hint="one of: " + ", ".join(PromptStatus))
        _check_limit(limit)
        wanted = {"owner": owner, "agent": agent, "status": status, "platform": platform}
        filters = {field: value for field, value in wanted.items() if value is not None}
        index = next(iter(filters.items()), None)
        found: list[ScheduledPrompt] = []
        position = _read_cursor(cursor)
        while len(found) < limit:
            rows = await self._ids_after(position, index, limit)
            if not rows:
                return PromptPage(found, None)
            for (prompt_id, created), prompt in zip(
                rows, await self.store.read_prompts([row[0] for row in rows]), strict=True
            ):
                position = (created, prompt_id)
                if isinstance(prompt, ScheduledPrompt) and all(getattr(prompt, f) == v for f, v in filters.items()):
                    found.append(prompt)
                    if len(found) == limit:
                        break
        assert position is not None
        more = await self._ids_after(position, index, 1)
        return PromptPage(found, f"{position[0]}.{position[1]}" if more else None)

    async def _ids_after(self, position: tuple[int, str] | None, index: tuple[str, str] | None, count: int) -> Rows:
        """Ids in order of creation, newest first, behind `position`."""
        offset = 0
        while True:
            newest = position[0] if position else "+inf"
            rows = await self.store.ids_by_creation(index=index, newest=newest, offset=offset, count=count)
            behind = [row for row in rows if position is None or (row[1], row[0]) < position]
            if behind or not rows:
                return behind
            offset += len(rows)

    async def cancel(self, id_or_part: str) -> Cancelled:
        """A prompt fires no more; what waits ends, what runs is asked to stop.

        Raises NotFound; Conflict where it has ended already.
        """
        prompt = await self.get(id_or_part)
        answer = await self.store.cancel(prompt)
        if isinstance(answer, Cancelled):
            return answer
        if answer == "gone":
            raise NotFound(f"there is no prompt {id_or_part!r}")
        raise Conflict(f"prompt {ids.short(prompt.id)} is {answer} already: there is nothing left to cancel")

    async def run_now(self, id_or_part: str) -> Fire:
        """One fire beside the schedule, which stays as it is. Raises NotFound; Conflict for a cancelled prompt."""
        prompt = await self.get(id_or_part)
        now = self.clock.now()
        fire_id = ids.manual_fire_id(prompt.id, now, self.clock.random)
        [answer] = await self.store.claim([manual_claim(prompt, fire_id, now)])
        if answer == "gone":
            raise NotFound(f"there is no prompt {id_or_part!r}")
        if answer != "claimed":
            raise Conflict(f"prompt {ids.short(prompt.id)} is cancelled", hint="schedule a new one")
        return await self.fire(fire_id)

    async def fire(self, fire_id: str) -> Fire:
        """One fire by its full id. Raises NotFound."""
        found = (await self.store.read_fires([fire_id]))[0]
        if not isinstance(found, Fire):
            raise NotFound(f"there is no fire {fire_id!r}", hint="`history` shows the fires of a prompt")
        return found

    async def history(self, id_or_part: str, *, limit: int = 50, cursor: str | None = None) -> FirePage:
        """The fires of a prompt, latest nominal time first. Raises NotFound, InvalidInput."""
        _check_limit(limit)
        prompt_id = (await self.get(id_or_part)).id
        position = _read_cursor(cursor)
        rows: Rows = []
        offset = 0
        while len(rows) <= limit:
            page = await self.store.history_page(prompt_id, position[0] if position else "+inf", offset, limit + 1)
            rows += [row for row in page if position is None or (row[1], row[0]) < position]
            offset += len(page)
            if len(page) <= limit:
                break
        fires = await self.store.read_fires([fire_id for fire_id, _ in rows[:limit]])
        last = rows[limit - 1] if len(rows) > limit else None
        return FirePage([fire for fire in fires if isinstance(fire, Fire)], f"{last[1]}.{last[0]}" if last else None)

    def preview(
        self,
        when: When,
        *,
        timezone: str | None = None,
        start: int | None = None,
        count: int = UPCOMING,
        jitter: float = 0,
    ) -> Preview:
        """What a schedule would name after `start` (ms UTC; None: now). Draws of a random window and jitter depend on
        the prompt's id: a prompt made later has others. Raises InvalidInput."""
        if not 1 <= count <= MOST_UPCOMING:
            raise InvalidInput(f"count={count} is out of range", hint=f"1 to {MOST_UPCOMING}")
        now = self.clock.now() if start is None else start
        zone_name = zone(timezone or self.timezone).key
        schedule = _to_schedule(when, now, zone_name)
        return Preview(
            schedule, zone_name, occurrences(schedule, now, count, zone_name, round(jitter * 1000), "preview")
        )

    def upcoming(self, prompt: ScheduledPrompt, count: int = UPCOMING) -> Occurrences:
        """What a prompt will do next."""
        if prompt.next_nominal is None or prompt.next_at is None:
            return []
        rest = occurrences(
            prompt.schedule, prompt.next_nominal, count - 1, prompt.timezone, prompt.jitter_ms, prompt.id
        )
        return [Occurrence(prompt.next_nominal, prompt.next_at), *rest]

    async def daemons(self) -> Sequence[DaemonInfo]:
        """The daemons that live."""
        return read_daemons(await self.store.heartbeat("", ""))

    async def why_unserved(self, prompt: Definition) -> str | None:
        """Why no live daemon would fire this prompt; None where one would."""
        alive = await self.daemons()
        if not alive:
            return f"no daemon is running on {self.store.description}"
        if any(daemon.serves.includes(prompt.platform, prompt.runner) for daemon in alive):
            return None
        if not any(prompt.runner in daemon.runners for daemon in alive):
            known = sorted({runner for daemon in alive for runner in daemon.runners})
            return f"no running daemon has a runner {prompt.runner!r} (there are: {', '.join(known)})"
        return f"no running daemon serves runner {prompt.runner!r} on platform {prompt.platform!r}"


def read_daemons(heartbeats: Iterable[tuple[str, str]]) -> list[DaemonInfo]:
    """What daemons say of themselves, from (id, info). One that this release cannot read is left out."""
    found: list[DaemonInfo] = []
    for _, info in heartbeats:
        with suppress(ValidationError):
            found.append(DaemonInfo.model_validate_json(info))
    return found


def _to_schedule(when: When, now: int, timezone: str) -> Schedule:
    if isinstance(when, str):
        from scheduled_prompts.schedule import parse_when  # who only reads does not load the grammar

        return parse_when(when, now=now, timezone=timezone)
    if isinstance(when, datetime):
        try:
            return Once(wall=when) if when.tzinfo is None else Once(at=round(when.timestamp() * 1000))
        except ValidationError as error:
            raise InvalidSchedule(f"{when.isoformat()} is out of range", hint="the years 1901 to 9988") from error
    if not isinstance(when, Once | Cron | Interval | RandomWindow):
        raise InvalidInput(f"{when!r} says no time", hint="a text, Once, Cron, Interval, RandomWindow, or a datetime")
    return when


def _validated(fields: Mapping[str, Any]) -> Definition:
    try:
        return Definition.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput("; ".join(_problem(problem) for problem in error.errors(include_url=False))) from error


def _problem(problem: Any) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"a prompt has no {field!r}"
    if problem["type"] == "string_pattern_mismatch":
        return f"{field}: {problem['input']!r} may not contain blanks, control characters, or any of / : {{ }}"
    if problem["type"] == "string_too_short":
        return f"{field}: it may not be empty"
    message = str(problem["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    value = repr(problem["input"])
    return f"{field}: {message}" + (f" (it is {value})" if len(value) <= 80 else "")


def _differences(existing: ScheduledPrompt, wanted: ScheduledPrompt) -> list[str]:
    return [name for name in Definition.model_fields if getattr(existing, name) != getattr(wanted, name)]


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST_LISTED:
        raise InvalidInput(f"limit={limit} is out of range", hint=f"1 to {MOST_LISTED}")


def _read_cursor(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    score, dot, member = cursor.partition(".")
    if not dot or not score.isdecimal():
        raise InvalidInput(f"{cursor!r} is not a cursor", hint="pass on the `cursor` of the page before")
    return int(score), member
