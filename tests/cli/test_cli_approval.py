"""`approve` and `reject`, as people type them, and where else they are told what waits for them."""

from __future__ import annotations

import re

import pytest

from scheduled_prompts import Approval, Caller, Scheduler
from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, refused_as

BOT = Caller(owner="ann", agent="bot")
WHY = "what agents ask for is to be approved"


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


def asked(cli: CommandLine, when: str = "every day at 9am", **fields: object) -> str:
    """The id of what an agent asks for."""
    with Scheduler.sync(cli.store, timezone="Europe/Berlin", approval=Approval(agents=("*",)), caller=BOT) as agent:
        return agent.schedule("water the plants", when, **fields).prompt.id


def edited(cli: CommandLine, prompt: str, **changes: object) -> None:
    with Scheduler.sync(cli.store, approval=Approval(agents=("*",)), caller=BOT) as agent:
        agent.edit(prompt, force=True, **changes)


def line(told: str, name: str) -> str:
    [found] = re.findall(rf"^  {name}  +(.*)$", told, re.MULTILINE)
    return str(found)


def test_list_and_show_tell_who_asked_why_until_when_and_what_to_do(cli: CommandLine) -> None:
    own, prompt = add(cli), asked(cli)
    assert [item["id"] for item in cli.json("list", "--status", "pending_approval")["items"]] == [prompt]
    listed = cli("list", "--status", "pending_approval").out
    assert own[-8:] not in listed
    assert "pending approval" in listed
    assert "asked for by agent:bot" in listed
    shown = cli("show", prompt).out
    assert line(shown, "status").startswith("waits for approval since ")
    assert (line(shown, "why"), line(shown, "asked by")) == (WHY, "agent:bot")
    assert line(shown, "until").endswith(": then it is cancelled")
    name = prompt[-8:]
    assert line(shown, "decide") == f"`approve {name} --version 1` lets it fire, `reject {name}` ends it"
    document = cli.json("show", prompt)
    assert (document["status"], document["next_at"], document["upcoming"]) == ("pending_approval", None, [])
    approval = document["approval"]
    assert (approval["state"], approval["asked_by"], approval["why"]) == ("pending", "agent:bot", WHY)
    assert approval["since"] == document["created_at"]
    assert approval["until"] > approval["since"]
    assert cli.json("show", own)["approval"] is None
    assert cli.json("stats")["prompts"]["pending_approval"] == 1
    assert "1 pending approval" in cli("stats").out


def test_what_is_approved_is_told_with_what_it_will_do(cli: CommandLine) -> None:
    prompt = asked(cli)
    told = cli("approve", prompt[-8:], "--note", "looks right", "--version", "1")
    assert told.code == 0
    assert told.out.startswith(f"approved {prompt[-8:]}: water the plants\n")
    assert line(told.out, "note") == "looks right"
    assert "next" in told.out
    document = cli.json("show", prompt)
    assert (document["status"], document["version"]) == ("active", 2)
    approval = document["approval"]
    assert (approval["state"], approval["note"], approval["until"]) == ("approved", "looks right", None)
    assert approval["decided_by"].startswith("cli:")
    assert line(cli("show", prompt).out, "approval").startswith(f"approved by {approval['decided_by']} ")
    assert refused_as(cli("approve", prompt, "--json"), 4) == "conflict"
    assert "it does not wait for approval" in refused(cli("reject", prompt), 4)


def test_programs_are_told_what_came_of_a_decision(cli: CommandLine) -> None:
    document = cli.json("approve", asked(cli))
    assert (document["prompt"]["status"], document["passed"], len(document["upcoming"])) == ("active", None, 5)
    document = cli.json("reject", asked(cli), "--note", "too dear")
    assert (document["prompt"]["status"], document["ended"], document["asked_to_stop"]) == ("cancelled", 0, 0)
    assert document["prompt"]["approval"]["state"] == "rejected"


def test_what_is_rejected_is_told_as_cancelled(cli: CommandLine) -> None:
    prompt = asked(cli)
    told = cli("reject", prompt, "--note", "too dear")
    assert told.out == f"rejected {prompt[-8:]}: water the plants: it is cancelled\n  note  too dear\n"
    assert "too dear" in line(cli("show", prompt).out, "approval")
    assert "too dear" in cli("explain", prompt).out


def test_what_was_changed_since_it_was_shown_is_not_approved(cli: CommandLine) -> None:
    prompt = asked(cli)
    edited(cli, prompt, text="delete everything")
    assert refused_as(cli("approve", prompt, "--version", "1", "--json"), 4) == "version_conflict"
    assert line(cli("show", prompt).out, "changed") == f"`history {prompt[-8:]} --changes` tells from what to what"
    assert "water the plants → delete everything" in cli("history", prompt, "--changes").out


def test_nobody_decides_on_a_prompt_that_is_not_there(cli: CommandLine) -> None:
    for word in ("approve", "reject"):
        assert refused_as(cli(word, "ZZZZZZZZ", "--json"), 3) == "not_found"


def test_explain_tells_that_it_waits_and_what_would_come(cli: CommandLine) -> None:
    prompt = asked(cli)
    told = cli("explain", prompt).out
    assert "until: in 7 d" in told
    assert "the prompt is waiting for approval, asked for by agent:bot" in told
    document = cli.json("explain", prompt)
    assert (document["approval"]["state"], document["outcomes"]) == ("pending", {"pending_approval": 5})


def test_events_and_changes_tell_it_in_order(cli: CommandLine) -> None:
    prompt = asked(cli)
    cli("approve", prompt, "--note", "fine")
    kinds = [event["type"] for event in cli.json("events", "--prompt", prompt)["items"]]
    assert kinds == ["created", "pending", "approved"]
    assert "fine" in cli("events", "--prompt", prompt).out
    changes = cli("history", prompt, "--changes").out
    assert re.search(r"approved +cli:\S+ +after .*: fine", changes)
    assert re.search(rf"to be approved +agent:bot +{WHY}", changes)


def test_settings_say_what_is_to_be_approved(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from scheduled_prompts.settings import load_settings

    monkeypatch.setenv("SCHEDULED_PROMPTS_APPROVAL__AGENTS", '["bot", "aide"]')
    monkeypatch.setenv("SCHEDULED_PROMPTS_APPROVAL__COST_ABOVE", "0.5")
    approval = load_settings().approval
    assert (approval.agents, str(approval.cost_above), approval.expires_after) == (("bot", "aide"), "0.5", 7 * 86_400)
    monkeypatch.setenv("SCHEDULED_PROMPTS_APPROVAL__EXPIRES_AFTER", "0")
    assert "SCHEDULED_PROMPTS_APPROVAL__EXPIRES_AFTER" in refused(cli("list"), 2)
