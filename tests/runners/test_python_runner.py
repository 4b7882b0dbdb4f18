"""Functions as runners, in code and by name; and the runner that only says the prompt."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import Fire, FireStatus, Result
from scheduled_prompts.prompt import Definition
from scheduled_prompts.runners.contract import Permanent, Retry, Runner
from scheduled_prompts.runners.log import LogRunner
from scheduled_prompts.runners.python import FunctionRunner, PythonRunner, as_runner
from scheduled_prompts.schedule import Interval

NOMINAL = 1_796_112_000_000
PROMPT_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def a_fire(text: str = "What is new?") -> Fire:
    return Fire(
        id=f"{PROMPT_ID}@{NOMINAL}",
        prompt_id=PROMPT_ID,
        prompt=Definition(text=text, schedule=Interval(every_ms=60_000, anchor=0)),
        version=1,
        status=FireStatus.RUNNING,
        attempt=1,
        nominal=NOMINAL,
        due=NOMINAL,
        runner="assistant",
        platform="default",
    )


def answer_of(candidate: object) -> Result:
    answer = asyncio.run(as_runner(candidate).run(a_fire()))
    assert isinstance(answer, Result)
    return answer


async def an_async_function(fire: Fire) -> str:
    await asyncio.sleep(0)
    return f"heard: {fire.text}"


def a_function(fire: Fire) -> str:
    return f"heard: {fire.text}"


class AnObject:
    async def run(self, fire: Fire) -> Result:
        return Result(text=f"heard: {fire.text}", silent=True)


class AnObjectThatBlocks:
    def run(self, fire: Fire) -> str:
        return f"heard: {fire.text}"


class ACallable:
    async def __call__(self, fire: Fire) -> str:
        return f"heard: {fire.text}"


@pytest.mark.parametrize(
    "candidate",
    [
        an_async_function,
        a_function,
        AnObjectThatBlocks(),
        ACallable(),
        functools.partial(an_async_function),
        functools.partial(a_function),
        lambda fire: an_async_function(fire),
    ],
    ids=["async function", "function", "object", "callable", "async partial", "partial", "lambda"],
)
def test_whatever_takes_a_fire_is_a_runner(candidate: object) -> None:
    assert isinstance(as_runner(candidate), Runner)
    assert answer_of(candidate) == Result(text="heard: What is new?")


def test_an_object_with_an_async_run_is_taken_as_it_is() -> None:
    runner = AnObject()
    assert as_runner(runner) is runner


@pytest.mark.parametrize("candidate", [AnObject, 7, "module:function", None, object()])
def test_what_is_no_runner_is_refused(candidate: object) -> None:
    with pytest.raises(InvalidConfig):
        as_runner(candidate)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, Result()),
        ("", Result(text="")),
        (Result(text="a", yielded=True), Result(text="a", yielded=True)),
        ({"größe": [1, None]}, Result(text='{"größe":[1,null]}')),
        ([1, 2], Result(text="[1,2]")),
        (True, Result(text="true")),
        (2.5, Result(text="2.5")),
    ],
)
def test_an_answer_becomes_a_result(value: object, result: Result) -> None:
    assert answer_of(lambda fire: value) == result


def test_an_answer_that_json_cannot_hold_is_a_failure_that_names_its_type() -> None:
    with pytest.raises(TypeError, match="answered with object, which is neither"):
        answer_of(lambda fire: object())


@pytest.mark.parametrize("error", [Retry("later", after=5), Permanent("never"), ValueError("bad")])
def test_what_a_function_raises_is_what_the_daemon_sees(error: Exception) -> None:
    def function(fire: Fire) -> None:
        raise error

    async def async_function(fire: Fire) -> None:
        raise error

    for candidate in (function, async_function):
        with pytest.raises(type(error)) as caught:
            answer_of(candidate)
        assert caught.value is error


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()], ids=repr
)
def test_a_function_cannot_end_the_daemon(error: BaseException) -> None:
    def function(fire: Fire) -> None:
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        answer_of(function)


def test_an_async_function_that_exits_or_cancels_itself_fails_alone() -> None:
    async def exits(fire: Fire) -> None:
        sys.exit("enough")

    async def awaits_something_cancelled(fire: Fire) -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(RuntimeError, match=r"exit\('enough'\)"):
        answer_of(exits)
    with pytest.raises(RuntimeError, match="cancelled by something it awaited"):
        answer_of(awaits_something_cancelled)


def test_a_function_runs_beside_the_loop_and_sees_its_context() -> None:
    word = contextvars.ContextVar("word", default="unset")
    seen: list[object] = []

    def function(fire: Fire) -> None:
        seen.extend((word.get(), threading.current_thread() is threading.main_thread()))

    async def scenario() -> None:
        word.set("set")
        await as_runner(function).run(a_fire())

    asyncio.run(scenario())
    assert seen == ["set", False]


def test_a_timeout_reaches_an_async_function() -> None:
    ended: list[str] = []

    async def function(fire: Fire) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")

    async def scenario() -> None:
        async with asyncio.timeout(0.01):
            await as_runner(function).run(a_fire())

    with pytest.raises(TimeoutError):
        asyncio.run(scenario())
    assert ended == ["cleaned up"]


def test_a_thread_that_hangs_holds_up_neither_the_fire_nor_the_loop() -> None:
    release = threading.Event()

    async def scenario() -> None:
        async with asyncio.timeout(0.05):
            await as_runner(lambda fire: release.wait(30)).run(a_fire())

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(scenario())
    assert time.monotonic() - started < 10
    release.set()


def test_a_coroutine_that_comes_too_late_is_closed() -> None:
    # Warnings are errors here: one that was never awaited would show.
    release = threading.Event()

    def function(fire: Fire) -> Any:
        release.wait(10)
        return an_async_function(fire)

    async def scenario() -> None:
        task = asyncio.create_task(FunctionRunner(function).run(a_fire()))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
        release.set()
        await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_a_thread_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    script = """
    import asyncio, time
    from scheduled_prompts.runners.python import _in_thread
    class F: id = "x"
    async def main():
        try:
            await asyncio.wait_for(_in_thread(lambda fire: time.sleep(60), F()), 0.05)
        except TimeoutError:
            print("over")
    asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert ended.stdout == "over\n"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, where a user puts modules. Undoes the imports."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


def test_a_target_names_a_function_an_attribute_or_an_object(modules: Path) -> None:
    (modules / "my_runners.py").write_text(
        textwrap.dedent("""
        async def ask(fire): return "function: " + fire.text
        class Assistant:
            def __init__(self): self.name = "object"
            async def run(self, fire): return self.name + ": " + fire.text
            def say(self, fire): return "method: " + fire.text
        assistant = Assistant()
        """)
    )
    for target, said in (
        ("my_runners:ask", "function"),
        ("my_runners:assistant", "object"),
        ("my_runners:assistant.say", "method"),
    ):
        result = asyncio.run(PythonRunner(target).run(a_fire()))
        assert (result.text if isinstance(result, Result) else result) == f"{said}: What is new?"


def test_a_module_in_the_working_directory_shadows_nothing(modules: Path) -> None:
    (modules / "json.py").write_text("raise SystemExit")
    assert PythonRunner("json:dumps")._runner.function is json.dumps  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("my_module", "target 'my_module' is not of the form module:function"),
        ("my_module:", "is not of the form"),
        (":ask", "is not of the form"),
        ("my_module:a:b", "is not of the form"),
        ("my module:ask", "is not of the form"),
        ("", "is not of the form"),
        (7, "target must be a text, not 7"),
        ("my_nowhere:ask", "there is no module 'my_nowhere'"),
        ("my_nowhere.deeper:ask", "there is no module 'my_nowhere'"),
        ("my_fine:nothing", "my_fine has no 'nothing'"),
        ("my_fine:number", "7 is not a runner"),
        ("my_fine:Kind", "Kind is a class, not a runner"),
        ("my_broken:ask", "importing my_broken failed: ZeroDivisionError"),
        ("my_syntax:ask", "importing my_syntax failed: SyntaxError"),
        ("my_exit:ask", "importing my_exit failed: SystemExit"),
        ("my_needy:ask", "importing my_needy failed: No module named 'my_dependency'"),
    ],
)
def test_a_target_that_is_of_no_use_is_refused_when_made(modules: Path, target: Any, message: str) -> None:
    (modules / "my_fine.py").write_text("number = 7\nclass Kind: pass\n")
    (modules / "my_broken.py").write_text("1 / 0\n")
    (modules / "my_syntax.py").write_text("def\n")
    (modules / "my_exit.py").write_text("raise SystemExit(1)\n")
    (modules / "my_needy.py").write_text("import my_dependency\n")
    with pytest.raises(InvalidConfig, match=re.escape(message)):
        PythonRunner(target)


def test_the_log_runner_says_the_prompt_and_answers_with_it() -> None:
    with capture_logs() as logs:
        assert asyncio.run(LogRunner().run(a_fire())) == Result(text="What is new?")
    assert [(line["log_level"], line["text"], line["fire"]) for line in logs] == [("info", "What is new?", a_fire().id)]
