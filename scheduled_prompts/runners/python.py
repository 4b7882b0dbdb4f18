"""Functions as runners: given in code, or named in the configuration as `module:function`.

A function is called with the fire and answers with a `Result`, a text, None, or anything that can be written
as JSON (a dict, a list, a number, a pydantic model), which is kept as JSON text. Whatever it raises is the
fire's failure; `Retry` and `Permanent` mean what they say.

Async functions run in the fire's own task, where a timeout or a cancel ends them at their next await.
Synchronous functions run in a thread of their own. A thread cannot be ended from outside: after a timeout, a
cancel or the daemon's stop the fire is over, the thread goes on until its function returns, and what that
returns is dropped. Such threads are daemon threads, and not those of the event loop's executor, whose end
Python awaits: so a function that hangs holds up neither the daemon's stop nor the end of the process. Give
blocking calls timeouts of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import inspect
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.runners.contract import Runner

TARGET_HINT = 'name a function as "package.module:function"'

RunnerFunction = Callable[[Fire], Any]
"""Takes a fire; answers with a `Result`, a text, None, what JSON can hold, or an awaitable of one."""


class FunctionRunner:
    """Runs a function, async or not. Raises InvalidConfig for what cannot be called."""

    def __init__(self, function: RunnerFunction) -> None:
        if not callable(function) or inspect.isclass(function):
            raise InvalidConfig(f"{function!r} is not a function that takes a fire")
        self.function = function

    async def run(self, fire: Fire) -> Result:
        return as_result(await called(self.function, fire))


class PythonRunner:
    """Runs what `target` names: `module:function`, or `module:object.method`, or an object with `run`.

    The module is imported here, once, at start; the daemon's working directory is searched last. Raises
    InvalidConfig where there is no such module or attribute, where the module cannot be imported, or where
    the target is of no use.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._runner = _target_runner(target)

    async def run(self, fire: Fire) -> Result | str | None:
        return await self._runner.run(fire)


def as_runner(candidate: object) -> Runner:
    """A runner from an object with `run(fire)`, or from a function, async or not. Raises InvalidConfig."""
    if inspect.isclass(candidate):
        raise InvalidConfig(
            f"{candidate.__name__} is a class, not a runner", hint="give an instance of it, or a function"
        )
    run = getattr(candidate, "run", None)
    if callable(run):
        return candidate if isinstance(candidate, Runner) and _is_async(run) else FunctionRunner(run)
    if callable(candidate):
        return FunctionRunner(candidate)
    raise InvalidConfig(
        f"{candidate!r} is not a runner",
        hint="a runner is a function that takes a fire, or an object with run(fire)",
    )


def as_result(answer: object) -> Result:
    """What a function answered, as a result. Raises TypeError for what JSON cannot hold."""
    if isinstance(answer, Result):
        return answer
    if answer is None or isinstance(answer, str):
        return Result(text=answer)
    try:
        return Result(text=to_json(answer).decode())
    except (PydanticSerializationError, ValueError) as error:
        raise TypeError(
            f"the function answered with {type(answer).__name__}, which is neither a Result, a text, None, "
            "nor something JSON can hold"
        ) from error


async def called(function: Callable[[Any], Any], argument: Fire | ScheduledPrompt) -> Any:
    """What somebody else's function answers, async or not. It can end nothing but itself."""
    try:
        answer = function(argument) if _is_async(function) else await _in_thread(function, argument)
        return await answer if inspect.isawaitable(answer) else answer
    except SystemExit as error:
        # It would end the daemon's event loop. A runner may end its own fire only.
        raise RuntimeError(f"the function called exit({error.code!r})") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("the function was cancelled by something it awaited") from error


def _is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _in_thread(function: Callable[[Any], Any], argument: Fire | ScheduledPrompt) -> object:
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(answer: object, error: BaseException | None) -> None:
        if outcome.done():
            if inspect.iscoroutine(answer):
                answer.close()
        elif error is None:
            outcome.set_result(answer)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            outcome.set_exception(error)
        else:
            # Those that steer a loop or an interpreter must not leave the thread they were meant for.
            wrapped = RuntimeError(f"the function raised {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            outcome.set_exception(wrapped)

    def work() -> None:
        answer: object = None
        failure: BaseException | None = None
        try:
            answer = context.run(function, argument)
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            loop.call_soon_threadsafe(deliver, answer, failure)

    threading.Thread(target=work, name=f"fire {argument.id}", daemon=True).start()
    return await outcome


def _target_runner(target: object) -> Runner:
    if not isinstance(target, str):
        raise InvalidConfig(f"target must be a text, not {target!r}", hint=TARGET_HINT)
    module_name, _, attribute = target.partition(":")
    names = [*module_name.split("."), *attribute.split(".")]
    if not all(name.isidentifier() for name in names):
        raise InvalidConfig(f"target {target!r} is not of the form module:function", hint=TARGET_HINT)
    found: object = _import(module_name, target)
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise InvalidConfig(f"target {target!r}: {module_name} has no {attribute!r}", hint=TARGET_HINT) from error
    try:
        return as_runner(found)
    except InvalidConfig as error:
        raise InvalidConfig(f"target {target!r}: {error.message}", hint=error.hint) from error


def _import(module_name: str, target: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        # Where a first-time user puts the module. Last, so that it shadows nothing, and for good, so that the
        # module's own late imports work.
        sys.path.append(here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise InvalidConfig(
                f"target {target!r}: there is no module {error.name!r}",
                hint=f"install it where the daemon runs, or put it into {here}",
            ) from error
        raise InvalidConfig(f"target {target!r}: importing {module_name} failed: {error}") from error
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {error}"
        raise InvalidConfig(f"target {target!r}: importing {module_name} failed: {problem}") from error
