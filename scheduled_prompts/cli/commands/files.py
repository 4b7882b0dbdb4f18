"""`apply`, `export`, `import`: the words for files that hold many prompts."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import PROMPTS, AsJson, ConfigFile, StoreUrl

DryRun = Annotated[bool, typer.Option("--dry-run", metavar="", help="Say what would be done, and do nothing.")]


@app.command(rich_help_panel=PROMPTS)
def apply(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Prompts by their keys, in TOML or YAML.")],
    prune: Annotated[
        bool, typer.Option("--prune", metavar="", help="Cancel what this file brought and no longer holds.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Make the prompts what a file says: create, change, leave. Applying it again changes nothing.

    Nothing is written where anything in the file is wrong. docs/files.md shows what a file holds.
    """
    from scheduled_prompts.cli.applying import apply

    carry_out(apply(choices(ctx, as_json, store, config), file, prune=prune, dry_run=dry_run))


@app.command(rich_help_panel=PROMPTS)
def export(
    ctx: typer.Context,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Write it there, whole or not at all; else stdout.")
    ] = None,
    ended: Annotated[
        bool, typer.Option("--all", metavar="", help="Those that were executed or cancelled, too.")
    ] = False,
    owner: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    platform: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Write all living prompts as one JSON document, for `import`. Fires and history are not in it."""
    from scheduled_prompts.cli.transferring import export

    filters = {"owner": owner, "agent": agent, "platform": platform}
    wanted = {name: value for name, value in filters.items() if value is not None}
    carry_out(export(choices(ctx, as_json, store, config), output, wanted, ended=ended))


@app.command("import", rich_help_panel=PROMPTS)
def import_prompts(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` wrote; - reads it from standard input.")],
    overdue: Annotated[
        Literal["skip", "fire"],
        typer.Option(help="What passed meanwhile is skipped, or fires late, as after an outage."),
    ] = "skip",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Create the prompts of an export under their own ids. What is there already is left as it is."""
    from scheduled_prompts.cli.transferring import import_prompts

    carry_out(import_prompts(choices(ctx, as_json, store, config), file, overdue=overdue, dry_run=dry_run))
