"""`cancel`, `run`: the words for changing what is there."""

from __future__ import annotations

import typer

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    AsJson,
    ConfigFile,
    PromptId,
    StoreUrl,
    Wait,
    WaitTimeout,
)


@app.command()
def cancel(
    ctx: typer.Context,
    prompt_id: PromptId,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Cancel a prompt: it fires no more, and what runs is asked to stop."""
    from scheduled_prompts.cli.acting import cancel

    carry_out(cancel(choices(ctx, as_json, store, config), prompt_id))


@app.command()
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
