"""What the engine gives to the fires that it runs: tools in the hands of their agents, tokens for child processes.

For a fire that does not ask, this is one small object. What it gives holds as long as the attempt runs: that is judged
by the store, in the scripts; here it is only noticed earlier, without asking.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import structlog

from scheduled_prompts import tokens
from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.fire import Fire
from scheduled_prompts.scheduler import Scheduler

if TYPE_CHECKING:  # imported when the first fire asks: most never do
    from scheduled_prompts.engine.fire_tools import FireTools
    from scheduled_prompts.tools import Tools

log = structlog.get_logger()

SCOPES = frozenset({Scope.READ, Scope.WRITE})
NO_TOKEN = "none"
"""Stands where a token cannot be made: nobody takes it for one, and so a child does not act as the operator instead."""
SECRET_IS_FRESH_MS = 60_000
SECRET_PATIENCE = 0.5
LOOK_AGAIN = 1.0
VARIABLE = "SCHEDULED_PROMPTS_"


def caller_in(fire: Fire) -> Caller:
    """The agent whose fire it is, with the rights of that fire. It names no runner: what it makes goes to its own."""
    definition = fire.prompt
    assert definition is not None
    return Caller(
        owner=definition.owner,
        agent=definition.agent,
        conversation=definition.conversation,
        platform=definition.platform,
        runners=(),
        scopes=SCOPES,
        fire=fire.id,
        attempt=fire.attempt,
    )


class Insides:
    """What one daemon gives. `scheduler`: on its store, with its limits, policies and zone."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._secret: bytes | None = None
        self._secret_read_at = 0

    def of(self, fire: Fire, ends_at: int) -> InsideFire:
        """Of one attempt, which is to end by `ends_at` (ms UTC)."""
        return InsideFire(self, fire, ends_at)

    async def token(self, caller: Caller, expires_at: int) -> str:
        """Raises StoreUnreachable, StoreUnusable."""
        scheduler = self.scheduler
        return tokens.issue_fire(
            await self._known_secret(),
            caller,
            expires_at=expires_at,
            rules=tokens.Rules(scheduler.limits, scheduler.approval, scheduler.budgets),
            namespace=scheduler.store.keys.namespace,
        )

    async def _known_secret(self) -> bytes:
        """Read again after a while, for it may be another one by then. A store that is away delays no fire for long."""
        now = self.scheduler.clock.now()
        if self._secret is None or now - self._secret_read_at >= SECRET_IS_FRESH_MS:
            try:
                async with asyncio.timeout(SECRET_PATIENCE):
                    self._secret = await self.scheduler.store.secret()
                self._secret_read_at = now
            except TimeoutError as error:
                if self._secret is None:
                    raise StoreUnreachable(f"{self.scheduler.store.description} does not answer") from error
            except (StoreUnreachable, StoreUnusable):
                if self._secret is None:
                    raise
        return self._secret

    @cached_property
    def toolbox(self) -> Tools:
        """The tools, over what this daemon was started with."""
        from scheduled_prompts.tools import Tools

        return Tools(self.scheduler)


class InsideFire:
    """What one attempt at one fire has."""

    def __init__(self, insides: Insides, fire: Fire, ends_at: int) -> None:
        self._insides = insides
        self._fire = fire
        self._ends_at = ends_at
        self._loop = asyncio.get_running_loop()
        self.is_over = False
        """The attempt has ended: whoever still holds its tools is told so."""

    @cached_property
    def tools(self) -> FireTools:
        from scheduled_prompts.engine.fire_tools import FireTools

        return FireTools(self._insides.toolbox, caller_in(self._fire), self)

    async def environment(self) -> dict[str, str]:
        scheduler = self._insides.scheduler
        url = scheduler.store.url
        if url is None:  # nobody else can reach it
            return {VARIABLE + "TOKEN": NO_TOKEN}
        try:
            token = await self._insides.token(caller_in(self._fire), self._ends_at)
        except (StoreUnreachable, StoreUnusable) as error:
            log.warning("no_token_for_fire", fire=self._fire.id, error=error.message)
            token = NO_TOKEN
        said = {
            "TOKEN": token,
            "STORE": url,
            "NAMESPACE": scheduler.store.keys.namespace,
            "TIMEZONE": scheduler.timezone,
        }
        return {VARIABLE + name: value for name, value in said.items()}

    async def in_its_loop(self, call: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """What a call answers that must run in the daemon's loop, wherever this one is."""
        if asyncio.get_running_loop() is self._loop:
            return await call
        return await asyncio.wrap_future(self._hand_over(call))

    def waited_for(self, call: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """The same for a thread that waits."""
        if _loop_here() is self._loop:
            call.close()
            raise RuntimeError("fire.tools.blocking is for functions in threads: here, `await fire.tools.call(…)`")
        answer = self._hand_over(call)
        while True:
            try:
                return answer.result(LOOK_AGAIN)
            except concurrent.futures.CancelledError:
                raise RuntimeError("the daemon has ended") from None
            except TimeoutError:
                if answer.done():
                    return answer.result()
                if not self._loop.is_running():  # it will not be carried out any more
                    answer.cancel()
                    raise RuntimeError("the daemon has ended") from None

    def _hand_over(self, call: Coroutine[Any, Any, dict[str, Any]]) -> concurrent.futures.Future[dict[str, Any]]:
        try:
            return asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError as error:
            call.close()
            raise RuntimeError("the daemon has ended") from error

    def __deepcopy__(self, _: object) -> Self:
        return self


def _loop_here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
