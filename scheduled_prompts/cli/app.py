"""The words one can type: each command, its options, and what they mean. What a command does is in its own file."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Annotated, Any, Literal

import typer

from scheduled_prompts.cli.options import (
    ADDRESS,
    POLICY,
    AsJson,
    Choices,
    ConfigFile,
    Cursor,
    Limit,
    PromptId,
    Retries,
    StoreUrl,
    Timezone,
    Wait,
    WaitTimeout,
    label,
    retries,
    seconds,
)
from scheduled_prompts.cli.output import write_document

app = typer.Typer(
    help="Prompts that fire on time, once, whatever crashes.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _choices(ctx: typer.Context, as_json: bool, store: str | None, config: str | None) -> Choices:
    before = ctx.obj if isinstance(ctx.obj, Choices) else Choices()
    return Choices(
        as_json or before.as_json,
        before.store if store is None else store,
        before.config if config is None else config,
    )


def _carry_out(command: Coroutine[Any, Any, None]) -> None:
    import asyncio  # `--help` does without

    asyncio.run(command)


@app.callback(invoke_without_command=True)
def before_the_command(
    ctx: typer.Context,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
    version: Annotated[bool, typer.Option("--version", metavar="", help="Say which release this is.")] = False,
) -> None:
    ctx.obj = _choices(ctx, as_json, store, config)
    if version:
        from scheduled_prompts.version import VERSION

        if as_json:
            write_document({"version": VERSION})
        else:
            sys.stdout.write(f"scheduled-prompts {VERSION}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        if not as_json:
            typer.echo(ctx.get_help())
            raise typer.Exit(2)
        ctx.fail("Missing command.")


@app.command()
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

    _carry_out(serve(_choices(ctx, as_json, store, config), slots=slots, platforms=platform or None))


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
    _carry_out(
        add(
            _choices(ctx, as_json, store, config),
            text,
            when,
            timezone,
            {field: value for field, value in definition.items() if value is not None},
            wait=wait,
            wait_timeout=wait_timeout,
        )
    )


@app.command("list")
def list_prompts(
    ctx: typer.Context,
    status: Annotated[
        Literal["scheduled", "active", "paused", "executed", "cancelled"] | None, typer.Option(metavar="STATUS")
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    platform: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """List the prompts, newest first."""
    from scheduled_prompts.cli.reading import list_prompts

    filters = {"status": status, "owner": owner, "platform": platform, "agent": agent}
    _carry_out(list_prompts(_choices(ctx, as_json, store, config), filters, limit=limit, cursor=cursor))


@app.command()
def show(
    ctx: typer.Context,
    prompt_id: PromptId,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Show all about one prompt."""
    from scheduled_prompts.cli.reading import show

    _carry_out(show(_choices(ctx, as_json, store, config), prompt_id))


@app.command()
def history(
    ctx: typer.Context,
    prompt_id: PromptId,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """List what became of a prompt's occurrences, latest first."""
    from scheduled_prompts.cli.reading import history

    _carry_out(history(_choices(ctx, as_json, store, config), prompt_id, limit=limit, cursor=cursor))


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

    _carry_out(cancel(_choices(ctx, as_json, store, config), prompt_id))


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
    _carry_out(run(_choices(ctx, as_json, store, config), prompt_id, wait=wait, wait_timeout=wait_timeout))


@app.command()
def preview(
    ctx: typer.Context,
    when: Annotated[str, typer.Argument(metavar="WHEN", help="A schedule, as `add --when` takes it.")],
    timezone: Timezone = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Count from 2026-12-01, or 2026-12-01T09:00; else now.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many occurrences.")] = 5,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Show what a schedule means, and when it would fire. Nothing is stored."""
    from scheduled_prompts.cli.reading import preview

    _carry_out(preview(_choices(ctx, as_json, store, config), when, timezone=timezone, start=start, count=count))
