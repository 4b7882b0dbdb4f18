"""`doctor`, `cleanup`: the words for whoever runs it."""

from __future__ import annotations

from typing import Annotated

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import RUNNING_IT, AsJson, ConfigFile, StoreUrl


@app.command(rich_help_panel=RUNNING_IT)
def doctor(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", metavar="", help="Mend indexes that disagree with the records.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", metavar="", help="Only what costs nothing, for health checks.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", metavar="", help="A daemon of this machine must live, not just any.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", metavar="", help="End with 1 for a warning too.")] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Say whether all is well: store, daemons, what is overdue, broken records. A problem ends it with 1."""
    from scheduled_prompts.cli.doctor import doctor

    if quick and repair:
        ctx.fail("--repair goes without --quick, which does not look at what could be mended")
    carry_out(doctor(choices(ctx, as_json, store, config), quick=quick, here=here, repair=repair, strict=strict))


@app.command("stop-all", rich_help_panel=RUNNING_IT)
def stop_all(
    ctx: typer.Context,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for whoever wonders.")] = None,
    cancel_running: Annotated[
        bool, typer.Option("--cancel-running", metavar="", help="Ask what runs to stop, too.")
    ] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """The kill switch: nothing is started any more, by no daemon, until `start-all`."""
    from scheduled_prompts.cli.halting import stop_all

    carry_out(stop_all(choices(ctx, as_json, store, config), note, cancel_running=cancel_running))


@app.command("start-all", rich_help_panel=RUNNING_IT)
def start_all(
    ctx: typer.Context,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """All goes on after `stop-all`; what became due meanwhile is late."""
    from scheduled_prompts.cli.halting import start_all

    carry_out(start_all(choices(ctx, as_json, store, config)))


@app.command(rich_help_panel=RUNNING_IT)
def cleanup(
    ctx: typer.Context,
    days: Annotated[
        float | None,
        typer.Option(metavar="N", help="Keep what ended within so many days (0 to 36,500); else as configured."),
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Delete ended prompts and old fires now, as the daemon does each hour."""
    from scheduled_prompts.cli.doctor import cleanup

    carry_out(cleanup(choices(ctx, as_json, store, config), days=days))
