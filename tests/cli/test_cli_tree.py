"""`cancel --tree`, as people type it: what an agent's prompt booked goes with it."""

from __future__ import annotations

import asyncio

import pytest

from scheduled_prompts import Store
from scheduled_prompts.ids import short
from tests.cli.cli_driver import CommandLine
from tests.test_cancel_tree import child_of
from tests.test_in_a_fire import at_work


@pytest.fixture
def family(server_cli: CommandLine) -> tuple[CommandLine, str, list[str]]:
    """A prompt that runs, and two that its fire made."""

    async def make() -> tuple[str, list[str]]:
        async with Store(server_cli.store) as store:
            root, lease = await at_work(store)
            return root.id, [(await child_of(store, lease)).id for _ in range(2)]

    return (server_cli, *asyncio.run(make()))


def test_a_prompt_that_is_cancelled_says_what_of_it_goes_on_and_what_ends_that(
    family: tuple[CommandLine, str, list[str]],
) -> None:
    cli, root, children = family
    named = ", ".join(map(short, children))
    told = cli("cancel", root).out.splitlines()
    assert told[1:] == [
        "  1 running fire asked to stop",
        f"  2 prompts that came of it go on: {named}",
        f"  cancel {short(root)} --tree ends what came of it, too",
    ]
    first, *rest = cli("cancel", short(root), "--tree").out.splitlines()
    assert first.endswith("was cancelled already")
    assert rest == [f"  cancelled 2 prompts that came of it: {named}"]
    assert cli("cancel", root, "--tree").out.splitlines()[1:] == ["  nothing that came of it is left to cancel"]
    [made] = [line for line in cli("history", root, "--changes").out.splitlines() if " made " in line]
    assert f"in {short(root)}@" in made  # the fire, as `fire show` takes it
    assert {item["status"] for item in cli.json("list")["items"]} == {"cancelled"}


def test_a_whole_tree_is_cancelled_at_once(family: tuple[CommandLine, str, list[str]]) -> None:
    cli, root, children = family
    document = cli.json("cancel", root, "--tree")
    assert (document["prompt"]["status"], document["asked_to_stop"]) == ("cancelled", 1)
    assert (document["cancelled_with_it"], document["still_living"]) == (children, [])
