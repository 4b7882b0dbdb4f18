"""`edit`, `pause`, `approve`, `skip`, `cancel`, and what undoes them: the words for changing a prompt that is there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from scheduled_prompts.cli.app import app, carry_out, choices
from scheduled_prompts.cli.options import (
    ADDRESS,
    GUARD,
    PROMPTS,
    Agent,
    AsJson,
    ConfigFile,
    Conversation,
    Labels,
    Platform,
    PromptId,
    RunnerName,
    StoreUrl,
    Title,
    labels,
)
from scheduled_prompts.cli.policies import OPTIONS, takes_policies

TYPED = "scheduled_prompts.typed"


_CLEARABLE = (
    "name",
    "tz",
    "runner",
    "platform",
    "agent",
    "conversation",
    "labels",
    *(option.name for option in OPTIONS),
)
Clearable = StrEnum("Clearable", {name.replace("-", "_").upper(): name for name in _CLEARABLE})  # type: ignore[misc]
"""The options whose fields have a default. (An enumeration: Typer reads no list of literals.)"""


DecisionNote = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why, for whoever asks later.")]
SeenVersion = Annotated[
    int | None, typer.Option("--version", metavar="N", help="Only if it is still what `show` told: that version.")
]
Occurrence = Annotated[
    str,
    typer.Argument(metavar="WHEN", help="next, or its time: 2026-12-01T09:00, 2026-12-01T09:00+01:00."),
]


class RemembersWhatWasTyped(TyperCommand):
    """Keeps the words behind the command, to say them again with what they lack."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[TYPED] = list(args)
        return super().parse_args(ctx, args)


@app.command("update", cls=RemembersWhatWasTyped, hidden=True)
@app.command(cls=RemembersWhatWasTyped, rich_help_panel=PROMPTS)
@takes_policies
def edit(
    ctx: typer.Context,
    prompt_id: PromptId,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="What to ask; - reads standard input.")] = None,
    when: Annotated[str | None, typer.Option(metavar="WHEN", help="A schedule, as `add --when` takes it.")] = None,
    timezone: Annotated[str | None, typer.Option("--tz", metavar="ZONE", help="Such as Europe/Berlin.")] = None,
    runner: RunnerName = None,
    name: Title = None,
    clear: Annotated[
        list[Clearable] | None,
        typer.Option(metavar="FIELD", help="Give it its default again (repeat for more): " + ", ".join(Clearable)),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(metavar="N", help="The prompt's version, as `show` tells it.", rich_help_panel=GUARD),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Whatever version it has by now.", rich_help_panel=GUARD)
    ] = False,
    platform: Platform = None,
    agent: Agent = None,
    conversation: Conversation = None,
    label: Labels = None,
    unlabel: Annotated[
        list[str] | None, typer.Option(metavar="K", help="Take a label off.", rich_help_panel=ADDRESS)
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
    *,
    policies: dict[str, Any],
) -> None:
    """Give a prompt another text, time, runner, …"""
    from scheduled_prompts.cli.editing import Edit, edit

    changes: dict[str, object] = {
        "text": text,
        "timezone": timezone,
        "runner": runner,
        "name": name,
        "platform": platform,
        "agent": agent,
        "conversation": conversation,
    }
    wanted = Edit(
        when=when,
        changes={**policies, **{field: value for field, value in changes.items() if value is not None}},
        cleared=frozenset(str(option) for option in clear or ()),
        label=labels(label),  # type: ignore[arg-type]  # the parser makes pairs of the texts
        unlabel=frozenset(unlabel or ()),
    )
    if version is not None and force:
        ctx.fail("--version or --force, not both")
    if wanted.is_empty:
        ctx.fail("nothing is given to change: --text, --when, --runner, --clear, …")
    carry_out(edit(choices(ctx, as_json, store, config), prompt_id, wanted, version, force, ctx.meta[TYPED]))


@app.command(rich_help_panel=PROMPTS)
def pause(
    ctx: typer.Context,
    prompt_id: PromptId,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for whoever looks at it later.")] = None,
    version: Annotated[int | None, typer.Option(metavar="N", help="Only if it still has this version.")] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Let a prompt rest: it fires no more until it is resumed."""
    from scheduled_prompts.cli.pausing import pause

    carry_out(pause(choices(ctx, as_json, store, config), prompt_id, note, version))


@app.command(rich_help_panel=PROMPTS)
def resume(
    ctx: typer.Context,
    prompt_id: PromptId,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Let a paused prompt fire again, from its next occurrence on."""
    from scheduled_prompts.cli.pausing import resume

    carry_out(resume(choices(ctx, as_json, store, config), prompt_id))


@app.command(rich_help_panel=PROMPTS)
def approve(
    ctx: typer.Context,
    prompt_id: PromptId,
    note: DecisionNote = None,
    version: SeenVersion = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Approve what an agent asked for: it fires from its next time on."""
    from scheduled_prompts.cli.approving import approve

    carry_out(approve(choices(ctx, as_json, store, config), prompt_id, note, version))


@app.command(rich_help_panel=PROMPTS)
def reject(
    ctx: typer.Context,
    prompt_id: PromptId,
    note: DecisionNote = None,
    version: SeenVersion = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Turn down what an agent asked for, and waits for approval: it is cancelled."""
    from scheduled_prompts.cli.approving import reject

    carry_out(reject(choices(ctx, as_json, store, config), prompt_id, note, version))


@app.command(rich_help_panel=PROMPTS)
def skip(
    ctx: typer.Context,
    prompt_id: PromptId,
    when: Occurrence,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Leave out one occurrence that is to come."""
    from scheduled_prompts.cli.pausing import skip

    carry_out(skip(choices(ctx, as_json, store, config), "skip", prompt_id, when))


@app.command(rich_help_panel=PROMPTS)
def unskip(
    ctx: typer.Context,
    prompt_id: PromptId,
    when: Occurrence,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Let an occurrence fire that was to be left out."""
    from scheduled_prompts.cli.pausing import skip

    carry_out(skip(choices(ctx, as_json, store, config), "unskip", prompt_id, when))


@app.command(rich_help_panel=PROMPTS)
def cancel(
    ctx: typer.Context,
    prompt_id: PromptId,
    tree: Annotated[
        bool, typer.Option("--tree", metavar="", help="And all that was made in its fires, and in the fires of those.")
    ] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """End a prompt: it fires no more, and what runs is asked to stop."""
    from scheduled_prompts.cli.acting import cancel

    carry_out(cancel(choices(ctx, as_json, store, config), prompt_id, tree=tree))
