"""The app: what stands before a command, and how one is carried out. The commands are in `commands/`."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from scheduled_prompts.cli.bearer import refuse_what_is_an_operators
from scheduled_prompts.cli.options import AsJson, Choices, ConfigFile, StoreUrl
from scheduled_prompts.cli.output import write_document

app = typer.Typer(
    help="Prompts that fire on time, once, whatever crashes.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def choices(ctx: typer.Context, as_json: bool, store: str | None, config: str | None) -> Choices:
    before = ctx.obj if isinstance(ctx.obj, Choices) else Choices()
    return Choices(
        as_json or before.as_json,
        before.store if store is None else store,
        before.config if config is None else config,
    )


def carry_out(command: Coroutine[Any, Any, None]) -> None:
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
    ctx.obj = choices(ctx, as_json, store, config)
    refuse_what_is_an_operators(ctx.invoked_subcommand)
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
