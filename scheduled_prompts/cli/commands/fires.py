"""`run`, `fire show`, `fire cancel`, `fire rerun`: the words for single fires."""

from __future__ import annotations

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    FIRES,
    AsJson,
    ConfigFile,
    FireRef,
    PromptId,
    StoreUrl,
    Wait,
    WaitTimeout,
)

fires = typer.Typer(help="One fire: show it, stop it, run it again.")
app.add_typer(fires, name="fire", rich_help_panel=FIRES)


@app.command(rich_help_panel=FIRES)
def run(
    ctx: typer.Context,
    prompt_id: PromptId,
    wait: Wait = False,
    wait_timeout: WaitTimeout = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Fire a prompt now, beside its schedule, which stays as it is."""
    from scheduled_prompts.cli.acting import run

    if wait_timeout is not None and not wait:
        ctx.fail("--wait-timeout goes with --wait")
    carry_out(run(choices(ctx, as_json, store, config), prompt_id, wait=wait, wait_timeout=wait_timeout))


@fires.command("show")
def show_fire(
    ctx: typer.Context,
    reference: FireRef,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Show all about one fire: when, why, by whom, what it ran, and what came of it."""
    from scheduled_prompts.cli.fires import show_fire

    carry_out(show_fire(choices(ctx, as_json, store, config), reference))


@fires.command("cancel")
def cancel_fire(
    ctx: typer.Context,
    reference: FireRef,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Stop one fire: one that waits ends, one that runs is asked to stop."""
    from scheduled_prompts.cli.fires import cancel_fire

    carry_out(cancel_fire(choices(ctx, as_json, store, config), reference))


@fires.command("rerun")
def rerun_fire(
    ctx: typer.Context,
    reference: FireRef,
    wait: Wait = False,
    wait_timeout: WaitTimeout = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Run again what a fire that has ended ran, by the prompt's present definition."""
    from scheduled_prompts.cli.fires import rerun_fire

    if wait_timeout is not None and not wait:
        ctx.fail("--wait-timeout goes with --wait")
    carry_out(rerun_fire(choices(ctx, as_json, store, config), reference, wait=wait, wait_timeout=wait_timeout))
