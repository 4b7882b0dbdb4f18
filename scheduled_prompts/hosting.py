"""For hosts with a loop of their own: the sweep, the hydration and the cleanup as plain functions.

They take the host's redis-py asyncio client (of either `decode_responses`) and work over the same claim, take and
settle as a daemon. What is due is handed to the one bot runner that the host sets, whatever runner a prompt names.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterable
from typing import Any, Protocol, Unpack

import structlog
from redis.asyncio import Redis

from scheduled_prompts.engine.host import HostEngine
from scheduled_prompts.engine.retention import cleanup
from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.scheduler import HouseRules, Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.views import handed_view

log = structlog.get_logger()


class BotRunner(Protocol):
    """What `set_bot_runner` takes. `handle_webhook` is called with the fire as JSON-like data (the same document that a
    `command` runner finds in its file: the fire's fields, and the prompt's under `prompt`); and, where it takes an
    argument of that name, with `tools`, those of the agent whose fire it is. It may be async; a text it returns is kept
    as the result; an exception is a failure, retried by the prompt's policy."""

    def handle_webhook(self, payload: dict[str, Any], /) -> Any: ...


class _BotAdapter:
    def __init__(self, bot: BotRunner) -> None:
        self._bot = bot
        self._wants_tools = "tools" in _parameters(bot.handle_webhook)

    async def run(self, fire: Fire) -> Result | str | None:
        payload = handed_view(fire)
        more = {"tools": fire.tools} if self._wants_tools else {}
        if inspect.iscoroutinefunction(self._bot.handle_webhook):
            answer = await self._bot.handle_webhook(payload, **more)
        else:
            answer = await asyncio.to_thread(self._bot.handle_webhook, payload, **more)
            if inspect.isawaitable(answer):
                answer = await answer
        return answer if isinstance(answer, (Result, str)) else None


def _parameters(function: Callable[..., object]) -> Iterable[str]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        return ()


class _CurrentBot:
    """Whoever is set when the fire runs."""

    async def run(self, fire: Fire) -> Result | str | None:
        if _bot is None:
            raise RuntimeError("the bot runner was taken away")
        return await _bot.run(fire)


_bot: _BotAdapter | None = None
_rules: HouseRules = {}
"""Those of the fleet, as `Scheduler` takes them."""
_engines: dict[int, HostEngine] = {}


def set_bot_runner(runner: BotRunner | None, **rules: Unpack[HouseRules]) -> None:
    """Say who does the work; None: nobody; what is due stays due, and what has begun goes on. `rules`: `limits`,
    `budgets`, … of the fleet, as `Scheduler` takes them, for clients that begin to tick afterwards. Raises TypeError
    for an object without `handle_webhook`."""
    global _bot, _rules
    if runner is not None and not callable(getattr(runner, "handle_webhook", None)):
        raise TypeError(f"a bot runner has a method handle_webhook; {type(runner).__name__} has none")
    _bot = None if runner is None else _BotAdapter(runner)
    _rules = rules
    for engine in list(_engines.values()):
        engine.wanted_changed()


async def tick_scheduled_prompts(redis: Redis) -> None:
    """Fire what is due, and return when it has ended. To be called once a minute; calls may overlap.

    Errors are logged, not raised: the host's loop goes on. Without a runner an error is logged and nothing is claimed.
    """
    if _bot is None:
        log.error("no_bot_runner", hint="call set_bot_runner(runner) first; what is due stays due")
        return
    try:
        engine = await _engine(redis)
        await engine.tick()
    except ScheduledPromptsError as error:
        log.error("tick_failed", error=error.message)
    except Exception:
        log.exception("tick_failed")


async def hydrate_scheduled_prompts(redis: Redis, active_platforms: Iterable[str], limit: int = 500) -> int:
    """Arm a timer in this process for each prompt of these platforms that is due soon, at most `limit`; what is
    overdue is fired at once. Returns how many. What is not imminent yet, a later tick arms.

    Errors are logged, not raised; then the answer is 0.
    """
    if _bot is None:
        log.error("no_bot_runner", hint="call set_bot_runner(runner) first; what is due stays due")
        return 0
    try:
        engine = await _engine(redis)
        return await engine.hydrate(tuple(active_platforms), limit)
    except ScheduledPromptsError as error:
        log.error("hydration_failed", error=error.message)
    except Exception:
        log.exception("hydration_failed")
    return 0


async def cleanup_expired_prompts(redis: Redis, *, days_to_keep: int = 30) -> str:
    """Delete what ended more than `days_to_keep` days ago. Returns JSON:
    `{"success": true, "message": …, "days_kept": n}` or `{"error": …}`."""
    if isinstance(days_to_keep, bool) or not isinstance(days_to_keep, int) or days_to_keep < 0:
        return json.dumps({"error": f"days_to_keep={days_to_keep!r} is not a number of days (0 or more)"})
    try:
        async with Store(redis) as store:
            purged = await cleanup(store, days_to_keep, keep=EngineSettings().keep_fires)
    except ScheduledPromptsError as error:
        return json.dumps({"error": error.message})
    message = f"deleted {purged.prompts} prompts and {purged.fires} fires that ended more than {days_to_keep} days ago"
    return json.dumps({"success": True, "message": message, "days_kept": days_to_keep})


async def _engine(redis: Redis) -> HostEngine:
    """The engine of this client on this event loop; its timers live as long as the loop does."""
    found = _engine_of(redis)
    if found is not None:
        return found
    store = await Store(redis).open()
    found = _engine_of(redis)  # an overlapping call may have been faster
    if found is None:
        for key in [key for key, engine in _engines.items() if engine.is_over]:
            del _engines[key]
        found = _engines[id(redis)] = HostEngine(
            redis, _CurrentBot(), wanted=lambda: _bot is not None, scheduler=Scheduler(store, **_rules)
        )
    return found


def _engine_of(redis: Redis) -> HostEngine | None:
    engine = _engines.get(id(redis))
    return engine if engine is not None and engine.belongs_to(redis, asyncio.get_running_loop()) else None
