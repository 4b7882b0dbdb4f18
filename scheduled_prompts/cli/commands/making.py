"""`add`: the words for making a prompt."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    ADDRESS,
    POLICY,
    AsJson,
    ConfigFile,
    Retries,
    StoreUrl,
    Timezone,
    Wait,
    WaitTimeout,
    label,
    retries,
    seconds,
)


@app.command()
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
    runner: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who does it; else the configured one (log).")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What people call it.")] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Only one living prompt of an owner has a key: adding it again does nothing."),
    ] = None,
    platform: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where the answer goes.", rich_help_panel=ADDRESS)
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=ADDRESS)] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=ADDRESS)] = None,
    conversation: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=ADDRESS)] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", parser=label, metavar="K=V", help="Repeat for more.", rich_help_panel=ADDRESS),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(metavar="0-100", help="High goes first where not all can run (50).", rich_help_panel=POLICY),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=seconds, metavar="DURATION", help="How long an attempt may take (1h).", rich_help_panel=POLICY
        ),
    ] = None,
    attempts: Annotated[
        Retries | None,
        typer.Option(
            "--retries",
            parser=retries,
            metavar="N|DELAYS",
            help="How often a failure is tried again (4), or after how long each time: 10s,1m,5m.",
            rich_help_panel=POLICY,
        ),
    ] = None,
    on_crash: Annotated[
        Literal["rerun", "interrupt"] | None,
        typer.Option(help="What becomes of a fire whose daemon died (rerun).", rich_help_panel=POLICY),
    ] = None,
    jitter: Annotated[
        float | None,
        typer.Option(
            parser=seconds, metavar="DURATION", help="Be due up to this much later (0).", rich_help_panel=POLICY
        ),
    ] = None,
    wait: Wait = False,
    wait_timeout: WaitTimeout = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
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
        "labels": dict(labels) if labels else None,  # type: ignore[arg-type]  # the parser makes pairs of the texts
        "priority": priority,
        "timeout": timeout,
        "retries": attempts.times if attempts else None,
        "retry_delays": attempts.delays if attempts else None,
        "on_crash": on_crash,
        "jitter": jitter,
    }
    carry_out(
        add(
            choices(ctx, as_json, store, config),
            text,
            when,
            timezone,
            {field: value for field, value in definition.items() if value is not None},
            wait=wait,
            wait_timeout=wait_timeout,
        )
    )
