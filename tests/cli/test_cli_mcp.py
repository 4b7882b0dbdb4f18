"""`mcp` and `token`, as far as they end: what is refused, and the tokens that are made."""

from __future__ import annotations

import asyncio

import pytest

from scheduled_prompts import Scheduler, Store, TokenRefused
from tests.cli.cli_driver import CommandLine


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--http", "0.0.0.0:8585"], "in the clear"),
        (["--http", "here"], "no address"),
        (["--http", "127.0.0.1:65536"], "no address"),
        (["--http", "192.0.2.1:1", "--public-name", "mcp.example.com"], "cannot listen on 192.0.2.1:1"),
        (["--http", "127.0.0.1:0", "--owner", "ann", "--scope", "read"], "--owner and --scope cannot be given here"),
        (["--public-name", "x"], "goes with --http"),
        (["--scope", "all"], "one of: read, write, run, cleanup"),
        (["--agent", "a b"], "--agent 'a b' cannot be used"),
        (["--allow-runner", "a/b"], "--allow-runner"),
    ],
)
def test_what_cannot_be_served_is_refused(cli: CommandLine, words: list[str], says: str) -> None:
    refused = cli("mcp", *words)
    assert (refused.code, refused.out) == (2, "")
    assert says in refused.err


def test_under_a_token_no_flag_says_who_calls(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULED_PROMPTS_TOKEN", "sp1.x.y")
    refused = cli("mcp", "--owner", "somebody-else")
    assert refused.code == 2
    assert "--owner cannot be given here" in refused.err
    assert cli("mcp", "--http", "127.0.0.1:0").code == 6
    assert cli("token", "make", "--agent", "x").code == 6


def test_a_token_is_made_for_a_caller_and_good_until_it_is_revoked(cli: CommandLine) -> None:
    words = ["--agent", "bot", "--owner", "ann", "--allow-runner", "claude", "--scope", "read", "--for", "90m"]
    made = cli.json("token", "make", *words)

    async def owner() -> str | None:
        async with Store(cli.store) as store:
            bound = await Scheduler(store).as_bearer(made["token"])
        assert bound.caller is not None
        return bound.caller.owner

    assert asyncio.run(owner()) == made["caller"]["owner"] == "ann"
    assert (made["caller"]["agent"], made["caller"]["runners"]) == ("bot", ["claude"])
    assert cli.json("token", "revoke", made["id"]) == {"revoked": made["id"]}
    with pytest.raises(TokenRefused, match="revoked"):
        asyncio.run(owner())


def test_a_person_is_shown_the_token_alone_and_can_pipe_it_on(cli: CommandLine) -> None:
    token = cli("token", "make", "--agent", "bot").out
    assert token.startswith("sp1.")
    assert token.count("\n") == 1
    assert "is good no more" in cli("token", "revoke", "-", stdin=token.encode()).out


def test_an_id_that_was_perhaps_never_made_is_no_plain_success(cli: CommandLine) -> None:
    mistyped = "0ab348219e1cf994"
    refused = cli("token", "revoke", mistyped)
    assert (refused.code, "has no secret" in refused.err) == (6, True)
    made = cli.json("token", "make", "--agent", "bot")
    told = cli("token", "revoke", mistyped)
    assert told.out.startswith(f"a token {mistyped} is good no more\nwhether there was one cannot be known: ")
    by_token = cli("token", "revoke", made["token"])
    assert (by_token.out, by_token.err) == (f"token {made['id']} is good no more\n", "")


def test_a_token_must_be_someones_and_end(cli: CommandLine) -> None:
    assert cli("token", "make").code == 2
    assert cli("token", "make", "--agent", "bot", "--for", "0s").code == 2
    assert "a token for 900 days cannot be made" in cli("token", "make", "--agent", "bot", "--for", "900d").err
    assert cli("token", "revoke", "nonsense").code == 2
