"""A webhook through a real daemon, in real time: attempts of one fire, as the receiver sees them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from standardwebhooks import Webhook

from scheduled_prompts.clock import Clock
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.registry import build_runners
from scheduled_prompts.schedule import Once
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.settings import EngineSettings
from scheduled_prompts.store import Store
from scheduled_prompts.store.connection import connect
from tests.conftest import Lab
from tests.runners.webhook_receiver import LOOPBACK, SECRET, Receiver, answer

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.usefixtures("real_server"),  # begun before a test's own processes are counted
]


async def fired(lab: Lab, receiver: Receiver, **fields: Any) -> Fire:
    """What became of a prompt that was due at once."""
    options = {"kind": "webhook", "url": receiver.url(), "secrets": [SECRET], "allow_private": LOOPBACK}
    runners = build_runners({"hook": options})
    async with (
        Store(connect(lab.url), namespace=lab.namespace, clock=Clock()) as store,
        Daemon(store, runners=runners, settings=EngineSettings()),
    ):
        scheduler = Scheduler(store, timezone="UTC")
        prompt = (
            await scheduler.schedule("hello", Once(at=scheduler.clock.now() + 100), runner="hook", **fields)
        ).prompt
        async with asyncio.timeout(20):
            while True:
                history = (await scheduler.history(prompt.id)).items
                if history and history[0].status.has_ended:
                    return history[0]
                await asyncio.sleep(0.05)


async def test_a_receiver_that_is_down_and_then_busy_sees_three_attempts_of_one_fire(lab: Lab) -> None:
    replies = (answer("503 Down"), answer("429 Busy", "", "Retry-After: 2"), answer("200 OK", "done"))
    async with Receiver(*replies) as receiver:
        fire = await fired(lab, receiver, retry_delays=(0.1,))

    assert fire.status == "succeeded"
    assert fire.result is not None
    assert fire.result.text == "done"
    assert len(receiver.posts) == fire.attempt == 3
    assert {post.headers["webhook-id"] for post in receiver.posts} == {fire.id}
    assert {post.headers["idempotency-key"] for post in receiver.posts} == {fire.id}
    messages = [Webhook(SECRET).verify(post.body, post.headers) for post in receiver.posts]
    assert [message["data"]["attempt"] for message in messages] == [1, 2, 3]
    assert {message["data"]["id"] for message in messages} == {fire.id}
    assert len({message["timestamp"] for message in messages}) == 1
    first, second, third = (post.at for post in receiver.posts)
    assert second - first < 2
    assert 2 <= third - second < 3.5


async def test_what_is_refused_for_good_is_sent_once_and_the_history_says_why(lab: Lab) -> None:
    async with Receiver(answer("404 Not Found", "no such hook")) as receiver:
        fire = await fired(lab, receiver, retry_delays=(0.1,))
    assert (fire.status, fire.reason) == ("failed", "permanent")
    assert fire.error == f"http://127.0.0.1:{receiver.port} answered 404 Not Found: no such hook"
    assert len(receiver.posts) == 1
