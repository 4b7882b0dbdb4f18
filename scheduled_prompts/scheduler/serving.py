"""Who would fire a prompt: what live daemons say of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pydantic import ValidationError

from scheduled_prompts.prompt import Definition
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import DaemonInfo


async def daemons(store: Store) -> list[DaemonInfo]:
    return read_daemons(await store.heartbeat("", ""))


async def why_unserved(store: Store, prompt: Definition) -> str | None:
    alive = await daemons(store)
    if not alive:
        return f"no daemon is running on {store.description}"
    if any(daemon.serves.includes(prompt.platform, prompt.runner) for daemon in alive):
        return None
    if not any(prompt.runner in daemon.runners for daemon in alive):
        known = sorted({runner for daemon in alive for runner in daemon.runners})
        return f"no running daemon has a runner {prompt.runner!r} (there are: {', '.join(known)})"
    return f"no running daemon serves runner {prompt.runner!r} on platform {prompt.platform!r}"


def read_daemons(heartbeats: Iterable[tuple[str, str]]) -> list[DaemonInfo]:
    """What daemons say of themselves, from (id, info). One that this release cannot read is left out."""
    found: list[DaemonInfo] = []
    for _, info in heartbeats:
        with suppress(ValidationError):
            found.append(DaemonInfo.model_validate_json(info))
    return found
