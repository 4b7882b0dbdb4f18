"""`mcp`, `token`: the words for letting agents in."""

from __future__ import annotations

from typing import Annotated

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import RUNNING_IT, AsJson, ConfigFile, StoreUrl
from scheduled_prompts.durations import seconds

IDENTITY = "Who the client is"
OVER_HTTP = "Over HTTP"

Owner = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Whose prompts it sees and makes; else those without an owner.",
        rich_help_panel=IDENTITY,
    ),
]
Conversation = Annotated[
    str | None, typer.Option(metavar="NAME", help="The conversation it is in.", rich_help_panel=IDENTITY)
]
Platform = Annotated[
    str | None, typer.Option(metavar="NAME", help="Where answers go; else the default.", rich_help_panel=IDENTITY)
]
AllowRunner = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A runner it may name; repeat for more. Else only the default one.",
        rich_help_panel=IDENTITY,
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="What it may do: read, write, run or cleanup; repeat for more. Else the first three.",
        rich_help_panel=IDENTITY,
    ),
]


@app.command(rich_help_panel=RUNNING_IT)
def mcp(
    ctx: typer.Context,
    owner: Owner = None,
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="Else as the client calls itself.", rich_help_panel=IDENTITY)
    ] = None,
    conversation: Conversation = None,
    platform: Platform = None,
    allow_runner: AllowRunner = None,
    scope: Scopes = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve many clients there instead; who each is says its bearer token (see `token make`).",
            rich_help_panel=OVER_HTTP,
        ),
    ] = None,
    public_name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The host name by which clients reach a proxy that ends TLS before it; repeat for more.",
            rich_help_panel=OVER_HTTP,
        ),
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Offer the tools to an MCP client, on stdin and stdout; or over HTTP. A client starts it by itself."""
    from scheduled_prompts.cli.mcp_serving import Said, serve

    said = Said(owner, agent, conversation, platform, allow_runner, scope)
    carry_out(serve(choices(ctx, as_json, store, config), said, http=http, public_names=public_name or []))


token = typer.Typer(help="Let an agent in from elsewhere: tokens for `mcp --http`.")
app.add_typer(token, name="token", rich_help_panel=RUNNING_IT)


@token.command("make")
def make(
    ctx: typer.Context,
    agent: Annotated[str, typer.Option(metavar="NAME", help="Who uses it, as the account names it.")],
    owner: Owner = None,
    conversation: Conversation = None,
    platform: Platform = None,
    allow_runner: AllowRunner = None,
    scope: Scopes = None,
    lifetime: Annotated[
        float, typer.Option("--for", parser=seconds, metavar="DURATION", help="How long it is good.")
    ] = "30d",  # type: ignore[assignment]  # the parser is given the default, too
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Make a token. It is shown now, and kept nowhere."""
    from scheduled_prompts.cli.mcp_serving import Said
    from scheduled_prompts.cli.tokens import make

    said = Said(owner, agent, conversation, platform, allow_runner, scope)
    carry_out(make(choices(ctx, as_json, store, config), said, lifetime))


@token.command("revoke")
def revoke(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="TOKEN", help="A token, or its id; - reads it from standard input.")],
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Let a token be good no more, from the next request on."""
    from scheduled_prompts.cli.tokens import revoke

    carry_out(revoke(choices(ctx, as_json, store, config), which))
