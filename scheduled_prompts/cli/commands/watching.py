"""`stats`, `events`: the words for watching how things stand, and what happens."""

from __future__ import annotations

from typing import Annotated

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import LOOKING, AsJson, ConfigFile, StoreUrl


@app.command(rich_help_panel=LOOKING)
def stats(
    ctx: typer.Context,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Show how things stand in numbers: prompts, what is due, lateness, fires by hour, daemons."""
    from scheduled_prompts.cli.watching import stats

    carry_out(stats(choices(ctx, as_json, store, config)))


@app.command(rich_help_panel=LOOKING)
def events(
    ctx: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", metavar="", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="ID|TIME", help="Begin behind an event (its id), at a time (2026-12-01T09:00), or 10m ago; 0: all."
        ),
    ] = None,
    prompt_id: Annotated[
        str | None,
        typer.Option("--prompt", metavar="ID", help="Of this prompt: its id, or any beginning or end of it."),
    ] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="NAME", help="Only such: created, failed, …; repeat for more.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="How many at most (20); with --follow, how many of the past.")
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Show what happened last, and with --follow what happens. With --json, --follow writes one object a line."""
    from scheduled_prompts.cli.watching import Asked, events, follow_events

    if follow and since is not None and limit is not None:
        ctx.fail("--limit does not go with --since and --follow: all since then is shown")
    asked = Asked(
        since, prompt_id, tuple(name.replace("-", "_") for name in types or ()), 20 if limit is None else limit
    )
    chosen = choices(ctx, as_json, store, config)
    carry_out(follow_events(chosen, asked) if follow else events(chosen, asked))
