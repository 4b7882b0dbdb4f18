"""What a client made, another owner's client does not find: by no name, no list, no guess, no error and no clock.

Two clients of the SDK's, each with its own token, at one server process. Whatever is said of the first one's must be
word for word what is said of something that is not there.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import redis
from mcp import Client
from mcp.shared.exceptions import MCPError

from scheduled_prompts import Caller, Daemon, Fire, NotFound, Scheduler, Scope
from scheduled_prompts.ids import short
from tests.conftest import RealServer
from tests.mcp.conftest import HttpServer, told

pytestmark = pytest.mark.real_time

SECRET = "the code of the safe is 4711"
NEVER = ("4711", "heirloom", "Her vault")
"""What nothing that he is told may contain, unless he said it himself."""
ALL = frozenset(Scope)


@dataclass
class Hers:
    """What the first client made."""

    token: str
    prompt: str
    ran: str
    """A fire of the schedule: `<prompt>@<nominal>`."""
    by_hand: str
    """A fire beside it: `<prompt>+<id>`."""
    cursor: str
    resource_cursor: str | None


@dataclass
class Attempt:
    server: HttpServer
    hers: Hers
    his: Client
    token: str

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return told(await self.his.call_tool(tool, arguments))

    async def is_as_absent(self, tool: str, name: str, absent: str, **more: Any) -> None:
        """The answer to her name is that to another, with the one for the other."""
        real, none = await self.call(tool, id=name, **more), await self.call(tool, id=absent, **more)
        assert not real["ok"]
        told_real, told_none = (json.dumps(answer, ensure_ascii=False) for answer in (real, none))
        assert told_real.replace(name, "?") == told_none.replace(absent, "?")
        assert real["error"]["code"] in ("not_found", "invalid_input")
        for word in NEVER:
            assert word in name or word not in told_real

    async def fails_alike(self, uri: str, absent: str) -> None:
        said = []
        for one in (uri, absent):
            with pytest.raises(MCPError) as caught:
                await self.his.read_resource(one)
            said.append((caught.value.error.code, str(caught.value.error).replace(one.split("//")[1], "?")))
        assert said[0] == said[1]
        assert "4711" not in said[0][1]


def absent_like(name: str) -> str:
    """An id, or a part of one, that nothing has."""
    return name[:-4] + ("0000" if name[-4:] != "0000" else "1111")


@pytest.fixture(scope="session")
def hers(http_server: HttpServer) -> Hers:
    async def work(fire: Fire) -> str:
        return SECRET

    async def make() -> Hers:
        token = await http_server.token(600, owner="iso-ann", agent="hers", scopes=ALL)
        async with http_server.let_in(token, "auto") as client:
            ids: list[str] = []
            for number in range(3):
                said = {"prompt": SECRET, "when": "in 1s", "key": f"heirloom-{number}", "name": f"Her vault {number}"}
                meta = {"claudecode/toolUseId": f"toolu_iso_{number}"}
                answer = told(await client.call_tool("schedule_prompt", said, meta=meta))
                ids.append(answer["scheduled_prompt"]["id"])
            later = {"id": ids[0], "when": "every day at 9am"}
            async with Daemon(http_server.url, namespace=http_server.namespace, runners={"log": work}) as daemon:
                scheduler = Scheduler(daemon.store, timezone="UTC")

                async def ran(times: int) -> list[str]:
                    for _ in range(1000):
                        fires = (await scheduler.history(ids[0])).items
                        if len(fires) == times and all(fire.status.has_ended for fire in fires):
                            return [fire.id for fire in fires]
                        await asyncio.sleep(0.02)
                    raise AssertionError("it did not run in time")

                [scheduled] = await ran(1)
                told(await client.call_tool("update_scheduled_prompt", later))
                told(await client.call_tool("run_scheduled_prompt_now", {"id": ids[0]}))
                [by_hand] = {*await ran(2)} - {scheduled}
            page = told(await client.call_tool("list_scheduled_prompts", {"limit": 1}))
            listed = await client.list_resources()
            assert SECRET in json.dumps(told(await client.call_tool("list_fires", {"id": ids[0]})))
            return Hers(token, ids[0], scheduled, by_hand, page["cursor"], listed.next_cursor)

    return asyncio.run(make())


# By its names

NAMES: dict[str, Callable[[str], tuple[str, str]]] = {
    "its whole id": lambda i: (i, absent_like(i)),
    "its id in small letters": lambda i: (i.lower(), absent_like(i).lower()),
    "the last 8 of its id": lambda i: (short(i), short(absent_like(i))),
    "the first 20 of its id": lambda i: (i[:20], absent_like(i[:20])),
    "the end of its id": lambda i: (i[-6:], absent_like(i[-6:])),
    "its key": lambda _: ("heirloom-0", "heirloom-9"),
    "its name": lambda _: ("Her vault 0", "Her vault 9"),
    "as messages call it": lambda i: (f"“Her vault 0” (id {short(i)})", f"“Her vault 0” (id {short(absent_like(i))})"),
    "its resource": lambda i: (f"prompt://{i}", f"prompt://{absent_like(i)}"),
    "self": lambda _: ("self", "itself"),
}


async def by_name(at: Attempt, name: str) -> None:
    real, absent = NAMES[name](at.hers.prompt)
    await at.is_as_absent("get_scheduled_prompt", real, absent)


async def by_tool(at: Attempt, tool: str) -> None:
    more = {"update_scheduled_prompt": {"prompt": "mine now"}, "skip_occurrence": {"occurrence": "next"}}.get(tool, {})
    await at.is_as_absent(tool, at.hers.prompt, absent_like(at.hers.prompt), **more)
    await at.is_as_absent(tool, "heirloom-0", "heirloom-9", **more)


TOOLS = (
    "update_scheduled_prompt",
    "cancel_scheduled_prompt",
    "pause_scheduled_prompt",
    "resume_scheduled_prompt",
    "run_scheduled_prompt_now",
    "skip_occurrence",
    "list_fires",
    "explain_scheduled_prompt",
)


async def by_a_fire_of_its_schedule(at: Attempt) -> None:
    await at.is_as_absent("list_fires", at.hers.ran, absent_like(at.hers.prompt) + at.hers.ran[26:])
    await at.is_as_absent("explain_scheduled_prompt", at.hers.ran, absent_like(at.hers.prompt) + at.hers.ran[26:])


async def by_a_fire_beside_it(at: Attempt) -> None:
    await at.is_as_absent("list_fires", at.hers.by_hand, absent_like(at.hers.prompt) + at.hers.by_hand[26:])


async def by_a_time_of_it(at: Attempt) -> None:
    await at.is_as_absent(
        "explain_scheduled_prompt", at.hers.prompt, absent_like(at.hers.prompt), at="2026-12-01 09:00"
    )


async def by_the_resource_of_it(at: Attempt) -> None:
    for part in (at.hers.prompt, short(at.hers.prompt)):
        await at.fails_alike(f"prompt://{part}", f"prompt://{absent_like(part)}")


async def by_the_resources_of_its_fires(at: Attempt) -> None:
    for fire in (at.hers.ran, at.hers.by_hand):
        await at.fails_alike(f"fire://{fire}", f"fire://{absent_like(at.hers.prompt)}{fire[26:]}")
    await at.fails_alike(f"fire://{at.hers.prompt}", f"fire://{absent_like(at.hers.prompt)}")


# By lists, cursors and counts


async def by_a_list(at: Attempt) -> None:
    for status in (None, "active", "executed", "scheduled", "paused", "cancelled"):
        page = await at.call("list_scheduled_prompts", **({} if status is None else {"status": status}))
        assert {prompt["prompt"] for prompt in page["scheduled_prompts"]} <= {"his own"}
    assert {one.title for one in (await at.his.list_resources()).resources} == {"his-own"}


async def by_her_cursors(at: Attempt) -> None:
    page = await at.call("list_scheduled_prompts", cursor=at.hers.cursor)
    assert page["scheduled_prompts"] == []  # hers are older than his, and what is behind them is nothing
    assert page["cursor"] is None
    assert (await at.his.list_resources(cursor="active:" + at.hers.cursor)).resources == []


async def by_cursors_that_he_made_up(at: Attempt) -> None:
    for cursor in (f"{2**50}.{at.hers.prompt}", f"0.{at.hers.prompt}", f"{2**50}.", "1.*", "by:owner:iso-ann"):
        page = await at.call("list_scheduled_prompts", cursor=cursor, limit=200)
        shown = page["scheduled_prompts"] if page["ok"] else []
        assert {prompt["prompt"] for prompt in shown} <= {"his own"}
        assert "4711" not in json.dumps(page)
    fires = await at.call("list_fires", id="his-own", cursor=f"{2**50}.{at.hers.ran}")
    assert SECRET not in json.dumps(fires)


async def by_what_limits_are_used(at: Attempt) -> None:
    page = await at.call("list_scheduled_prompts")
    used = {limit["name"]: limit["used"] for limit in page["limits"]}
    assert used["active_per_owner"] == 1, "his own, and none of hers"


# By what he books


async def by_its_key_booked_again(at: Attempt) -> None:
    made = await at.call("schedule_prompt", prompt="his own", when="every day at 8am", key="heirloom-0")
    assert (made["created"], made["scheduled_prompt"]["prompt"]) == (True, "his own")
    assert made["scheduled_prompt"]["id"] != at.hers.prompt
    assert (await at.call("cancel_scheduled_prompt", id=made["scheduled_prompt"]["id"]))["ok"]


async def by_her_tool_call_made_again(at: Attempt) -> None:
    said = {"prompt": SECRET, "when": "in 1s", "key": "heirloom-0", "name": "Her vault 0"}
    made = told(await at.his.call_tool("schedule_prompt", said, meta={"claudecode/toolUseId": "toolu_iso_0"}))
    assert made["created"]
    assert made["scheduled_prompt"]["id"] != at.hers.prompt
    assert (await at.call("cancel_scheduled_prompt", id=made["scheduled_prompt"]["id"]))["ok"]


async def by_saying_that_he_is_she(at: Attempt) -> None:
    for said in ({"owner": "iso-ann"}, {"user_id": "iso-ann"}, {"caller": {"owner": "iso-ann"}}):
        answer = await at.call("list_scheduled_prompts", **said)
        assert "4711" not in json.dumps(answer)
        booked = await at.call("schedule_prompt", prompt="for her", when="every day at 9am", **said)
        assert not booked["ok"]
        meta: Any = {"owner": "iso-ann", "claudecode/owner": "iso-ann"}
        assert "4711" not in json.dumps(told(await at.his.call_tool("list_scheduled_prompts", {}, meta=meta)))


async def by_deleting_what_is_over(at: Attempt) -> None:
    await at.call("cleanup_expired_prompts", days=0)
    async with at.server.let_in(at.hers.token, "auto") as her:
        assert len(told(await her.call_tool("list_scheduled_prompts"))["scheduled_prompts"]) == 3


# By the ways around the tools


async def by_questions_and_completions(at: Attempt) -> None:
    asked = await at.his.get_prompt("why_did_it_not_run", {"prompt": "heirloom-0"})
    assert SECRET not in asked.model_dump_json()
    with pytest.raises(MCPError):
        await at.his.session.send_request(_completion("heirloom"), Any)  # type: ignore[arg-type]


def _completion(value: str) -> Any:
    from mcp_types import CompleteRequest, CompleteRequestParams, PromptReference

    reference = PromptReference(type="ref/prompt", name="why_did_it_not_run")
    argument: Any = {"name": "prompt", "value": value}
    return CompleteRequest(params=CompleteRequestParams(ref=reference, argument=argument))


async def by_a_stream_or_a_session_of_hers(at: Attempt) -> None:
    said = {"authorization": f"Bearer {at.token}", "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=said) as http:
        for more in ({}, {"mcp-session-id": "1"}, {"last-event-id": "0"}):
            stream = await http.get(at.server.address, headers=more)
            assert (stream.status_code, SECRET in stream.text) == (405, False)


async def by_his_token_with_her_name(at: Attempt) -> None:
    version, claims, signature = at.token.split(".")
    document = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).replace(b"iso-bob", b"iso-ann")
    assert b"iso-ann" in document
    forged = ".".join([version, base64.urlsafe_b64encode(document).decode().rstrip("="), signature])
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_scheduled_prompts"}}
    said = {"authorization": f"Bearer {forged}", "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=said) as http:
        answer = await http.post(at.server.address, json=call)
    assert (answer.status_code, "4711" in answer.text) == (401, False)


ATTEMPTS: dict[str, Callable[[Attempt], Awaitable[None]]] = {
    **{f"by {name}": (lambda at, name=name: by_name(at, name)) for name in NAMES},  # type: ignore[misc]
    **{f"by {tool}": (lambda at, tool=tool: by_tool(at, tool)) for tool in TOOLS},  # type: ignore[misc]
    **{
        attempt.__name__.replace("_", " "): attempt
        for attempt in (
            by_a_fire_of_its_schedule,
            by_a_fire_beside_it,
            by_a_time_of_it,
            by_the_resource_of_it,
            by_the_resources_of_its_fires,
            by_a_list,
            by_her_cursors,
            by_cursors_that_he_made_up,
            by_what_limits_are_used,
            by_its_key_booked_again,
            by_saying_that_he_is_she,
            by_deleting_what_is_over,
            by_questions_and_completions,
            by_a_stream_or_a_session_of_hers,
            by_his_token_with_her_name,
            by_her_tool_call_made_again,  # last: from here on he has said himself what she said
        )
    },
}


async def test_a_client_of_another_owner_finds_nothing_however_it_looks(http_server: HttpServer, hers: Hers) -> None:
    token = await http_server.token(600, owner="iso-bob", agent="his", scopes=ALL)
    found: list[str] = []
    async with http_server.let_in(token, "auto") as his, http_server.let_in(hers.token, "auto") as her:
        before = told(await her.call_tool("list_scheduled_prompts"))["scheduled_prompts"]
        told(
            await his.call_tool("schedule_prompt", {"prompt": "his own", "when": "every day at 9am", "key": "his-own"})
        )
        for name, attempt in ATTEMPTS.items():
            try:
                await attempt(Attempt(http_server, hers, his, token))
            except (Exception, pytest.fail.Exception) as error:
                found.append(f"{name}: {type(error).__name__}: {error}")
        after = told(await her.call_tool("list_scheduled_prompts"))["scheduled_prompts"]
    assert not found, "\n\n".join(found)
    assert len(ATTEMPTS) >= 20
    assert after == before


async def test_what_is_anothers_costs_the_server_what_is_not_there_costs(
    http_server: HttpServer, hers: Hers, real_server: RealServer
) -> None:
    """The commands are counted exactly; of the times the medians are compared, widely: the machine may be busy."""
    token = await http_server.token(600, owner="iso-carl", agent="his", scopes=ALL)  # who never booked her key himself
    looks = {
        "an id": ("get_scheduled_prompt", hers.prompt, absent_like(hers.prompt)),
        "its end": ("get_scheduled_prompt", short(hers.prompt), short(absent_like(hers.prompt))),
        "a key": ("cancel_scheduled_prompt", "heirloom-0", "heirloom-9"),
        "an account": ("explain_scheduled_prompt", hers.prompt, absent_like(hers.prompt)),
    }
    server = redis.Redis(unix_socket_path=str(real_server.socket), decode_responses=True)
    async with http_server.let_in(token, "auto") as his:

        async def costs(tool: str, name: str) -> dict[str, int]:
            before = _commands(server)
            await his.call_tool(tool, {"id": name})
            after = _commands(server)
            return {word: after[word] - before.get(word, 0) for word in after if after[word] != before.get(word, 0)}

        for what, (tool, real, absent) in looks.items():
            await costs(tool, real)
            counts = [await costs(tool, name) for name in (real, absent)]
            assert counts[0] == counts[1], what
            assert sum(counts[0].values()) > 1, what
        times: dict[str, list[float]] = {hers.prompt: [], absent_like(hers.prompt): []}
        for turn in range(50):
            for name in sorted(times, reverse=bool(turn % 2)):
                began = time.perf_counter()
                await his.call_tool("get_scheduled_prompt", {"id": name})
                times[name].append(time.perf_counter() - began)
    real_time, absent_time = (statistics.median(taken) for taken in times.values())
    assert 0.6 < real_time / absent_time < 1.67


def _commands(server: redis.Redis) -> dict[str, int]:
    """How often each command was carried out, as the server counts them; not the counting."""
    stats: Any = server.info("commandstats")
    return {name: row["calls"] for name, row in stats.items() if name not in ("cmdstat_info", "cmdstat_ping")}


async def test_what_happens_to_hers_he_does_not_hear(http_server: HttpServer, hers: Hers) -> None:
    """The same through the Python calls that MCP does not offer."""
    async with Scheduler(http_server.url, namespace=http_server.namespace, timezone="UTC") as operator:
        ann, bob = (operator.as_caller(Caller(owner=owner, agent="x")) for owner in ("iso-ann", "iso-bob"))
        absent = absent_like(hers.prompt)
        for look in (
            lambda i: bob.past_events(prompt=i),
            lambda i: bob.events(prompt=i).batch(),
            lambda i: bob.spending(prompt=i),
            lambda i: bob.why(i, "2026-12-01 09:00"),
            lambda i: bob.spans(i),
            lambda i: bob.fire(i),
            lambda i: bob.cancel(i, tree=True),
        ):
            said = []
            for prompt in (hers.prompt, absent):
                with pytest.raises(NotFound) as caught:
                    await look(prompt)
                said.append((caught.value.message.replace(prompt, "?"), caught.value.hint))
            assert said[0] == said[1]
        mine = (await bob.schedule("his own", "every day at 9am", key="heard")).prompt
        events = bob.events(prompt=mine.id)
        await events.batch()  # from now on
        await ann.pause(hers.prompt)
        await ann.resume(hers.prompt)
        await bob.cancel(mine.id)
        heard: list[str | None] = []
        while not heard:
            heard += [event.prompt for event in await events.batch()]
        assert set(heard) == {mine.id}
