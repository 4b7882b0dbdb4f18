"""`serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    RUNNING_IT,
    AsJson,
    ConfigFile,
    StoreUrl,
)


@app.command(rich_help_panel=RUNNING_IT)
def serve(
    ctx: typer.Context,
    slots: Annotated[
        int | None, typer.Option(min=1, max=100_000, metavar="N", help="How many fires run at once.")
    ] = None,
    platform: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Serve this platform; repeat for more. Else all.")
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Start the daemon: it fires what is due until it is stopped (Ctrl-C, SIGTERM)."""
    from scheduled_prompts.cli.serve import serve

    carry_out(serve(choices(ctx, as_json, store, config), slots=slots, platforms=platform or None))
