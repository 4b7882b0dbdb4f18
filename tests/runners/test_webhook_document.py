"""The manual's examples are what is posted, and what verifies it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.prompt import Definition
from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.runners.registry import build_runners
from scheduled_prompts.runners.webhook import WebhookRunner
from scheduled_prompts.schedule import Cron
from tests.runners.webhook_receiver import LOOPBACK, NOMINAL, SECRET, Receiver, a_fire, result

MANUAL = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text()
ASK = Definition(
    text="What is new?",
    name="news",
    schedule=Cron(expression="0 9 * * *"),
    timezone="Europe/Berlin",
    runner="hook",
    owner="ann",
    conversation="c7",
    labels={"mood": "merry"},
)


def example(language: str) -> str:
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    return str(block)


def lacking(documented: Any, posted: Any) -> Any:
    """What is documented and not posted. More may be posted: fields are added."""
    if isinstance(documented, dict) and isinstance(posted, dict):
        found = {name: lacking(value, posted.get(name, "not there")) for name, value in documented.items()}
        return {name: value for name, value in found.items() if value is not None} or None
    return None if documented == posted else documented


def test_the_message_of_the_manual_is_posted() -> None:
    receiver = Receiver()
    fire = a_fire(
        prompt=ASK,
        version=1,
        attempt=1,
        due=NOMINAL,
        queued_at=NOMINAL - 180,
        started_at=NOMINAL + 3,
        daemon="host-4711-2b60e8a1",
    )
    result(receiver, fire)
    [post] = receiver.posts
    assert lacking(json.loads(example("json")), post.document) is None, json.dumps(post.document, indent=2)


def test_the_configuration_of_the_manual_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRETS", SECRET)
    assert isinstance(build_runners(tomllib.loads(example("toml"))["runners"])["hook"], WebhookRunner)


@contextlib.contextmanager
def receiver_of_the_manual(secret: str) -> Iterator[int]:
    """It listens on a port of its own choice, and says which."""
    announced = "print(server.server_port, flush=True)\nserver.serve_forever()"
    program = example("python").replace("HTTPServer((", "server = HTTPServer((").replace("8000", "0")
    program = program.replace(".serve_forever()", f"\n{announced}")
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"HOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        with process.stdout as lines:
            yield int(lines.readline())
    finally:
        process.terminate()
        process.wait(10)


def ask(port: int) -> str | None:
    runner = WebhookRunner(f"http://127.0.0.1:{port}/", secrets=[SECRET], allow_private=LOOPBACK, timeout=5)
    return asyncio.run(runner.run(a_fire())).text


def test_the_receiver_of_the_manual_verifies_and_answers() -> None:
    with receiver_of_the_manual(SECRET) as port:
        assert ask(port) == "You asked: What is new?"
    with receiver_of_the_manual("whsec_" + "x" * 32) as port, pytest.raises(Permanent, match="answered 401"):
        ask(port)


def test_every_option_is_documented_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \|(.*?)\|", MANUAL, re.MULTILINE))
    options = inspect.signature(WebhookRunner).parameters
    assert list(documented) == list(options)
    for name, parameter in options.items():
        default = parameter.default
        shown = "" if default in (None, parameter.empty) else str(default).lower().removesuffix(".0")
        assert documented[name].strip(" `") == shown, name
