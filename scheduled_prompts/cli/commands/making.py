"""`add`: the words for making a prompt."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    ADDRESS,
    PROMPTS,
    Agent,
    AsJson,
    ConfigFile,
    Conversation,
    Labels,
    Platform,
    RunnerName,
    StoreUrl,
    Timezone,
    Title,
    Wait,
    WaitTimeout,
    labels,
)
from scheduled_prompts.cli.policies import takes_policies


@app.command(rich_help_panel=PROMPTS)
@takes_policies
def add(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to ask; - reads it from standard input.")],
    when: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="in 20m · tomorrow at 9am · every weekday at 9:00 · every 2h · 0 9 * * 1-5 · "
            "between 9am and 11am every day · 2026-12-01T09:00+01:00",
        ),
    ],
    timezone: Timezone = None,
    runner: RunnerName = None,
    name: Title = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Only one living prompt of an owner has a key: adding it again does nothing."),
    ] = None,
    platform: Platform = None,
    owner: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=ADDRESS)] = None,
    agent: Agent = None,
    conversation: Conversation = None,
    label: Labels = None,
    wait: Wait = False,
    wait_timeout: WaitTimeout = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
    *,
    policies: dict[str, Any],
) -> None:
    """Schedule a prompt."""
    from scheduled_prompts.cli.adding import add

    if wait_timeout is not None and not wait:
        ctx.fail("--wait-timeout goes with --wait")
    definition: dict[str, object] = {
        "runner": runner,
        "name": name,
        "key": key,
        "platform": platform,
        "owner": owner,
        "agent": agent,
        "conversation": conversation,
        "labels": labels(label) or None,  # type: ignore[arg-type]  # the parser makes pairs of the texts
    }
    carry_out(
        add(
            choices(ctx, as_json, store, config),
            text,
            when,
            timezone,
            {**policies, **{field: value for field, value in definition.items() if value is not None}},
            wait=wait,
            wait_timeout=wait_timeout,
        )
    )
