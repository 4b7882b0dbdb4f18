"""`list`, `show`, `history`, `explain`, `preview`: the words for looking."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    LOOKING,
    PAGE,
    AsJson,
    ConfigFile,
    Cursor,
    Limit,
    PromptId,
    StoreUrl,
    Timezone,
)
from scheduled_prompts.cli.policies import takes_policies


@app.command("list", rich_help_panel=LOOKING)
def list_prompts(
    ctx: typer.Context,
    status: Annotated[
        Literal["scheduled", "active", "paused", "pending_approval", "executed", "cancelled", "quarantined"] | None,
        typer.Option(
            metavar="STATUS",
            help="scheduled, active, paused, pending_approval, executed, cancelled or quarantined.",
        ),
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="NAME", help="Those of this owner.")] = None,
    platform: Annotated[str | None, typer.Option(metavar="NAME", help="Those of this platform.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Those of this agent.")] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """List the prompts, newest first."""
    from scheduled_prompts.cli.reading import list_prompts

    filters = {"status": status, "owner": owner, "platform": platform, "agent": agent}
    carry_out(list_prompts(choices(ctx, as_json, store, config), filters, limit=limit, cursor=cursor))


@app.command(rich_help_panel=LOOKING)
def show(
    ctx: typer.Context,
    prompt_id: PromptId,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Show all about one prompt."""
    from scheduled_prompts.cli.reading import show

    carry_out(show(choices(ctx, as_json, store, config), prompt_id))


@app.command(rich_help_panel=LOOKING)
def history(
    ctx: typer.Context,
    prompt_id: PromptId,
    changes: Annotated[
        bool, typer.Option("--changes", help="What was done to it instead: when, by whom, from what to what.")
    ] = False,
    limit: Limit = PAGE,
    cursor: Cursor = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """List what became of a prompt's occurrences, latest first."""
    if changes:
        from scheduled_prompts.cli.changes import changes as history
    else:
        from scheduled_prompts.cli.reading import history

    carry_out(history(choices(ctx, as_json, store, config), prompt_id, limit=limit, cursor=cursor))


@app.command(rich_help_panel=LOOKING)
def explain(
    ctx: typer.Context,
    prompt_id: PromptId,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From 2026-12-01, or 2026-12-01T09:00; else a week ago."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Up to, not including; else the next five to come.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Only this: why did it, or did it not, run then?")
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Account for every occurrence: what became of it, and why; what comes next."""
    from scheduled_prompts.cli.explaining import explain, explain_at

    chosen = choices(ctx, as_json, store, config)
    if at is None:
        carry_out(explain(chosen, prompt_id, since, until))
    elif since is None and until is None:
        carry_out(explain_at(chosen, prompt_id, at))
    else:
        ctx.fail("--at goes without --since and --until")


@app.command(rich_help_panel=LOOKING)
@takes_policies
def preview(
    ctx: typer.Context,
    when: Annotated[str, typer.Argument(metavar="WHEN", help="A schedule, as `add --when` takes it.")],
    timezone: Timezone = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Count from 2026-12-01, or 2026-12-01T09:00; else now.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many occurrences.")] = 5,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
    *,
    policies: dict[str, Any],
) -> None:
    """Show what a schedule means, and when it would fire. Nothing is stored."""
    from scheduled_prompts.cli.reading import preview

    carry_out(
        preview(
            choices(ctx, as_json, store, config), when, timezone=timezone, first=first, count=count, policies=policies
        )
    )
