"""Guards that are taken away, one at a time, to see whether the checker would notice. Each is a change of a script's
text, or of a function, as somebody might make it by mistake.

A change of a script must still find the text that it replaces: when the script is rewritten, the mutation is, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scheduled_prompts.store import script

if TYPE_CHECKING:
    from tests.simulation.world import World

Mutation = Callable[["World"], None]
SOURCES = {one.name: one.source for one in script.ALL}


def of_script(name: str, guard: str, instead: str) -> Mutation:
    """In one script, this text in the place of that."""

    def mutate(world: World) -> None:
        source = world.server.rewrite.get(name, SOURCES[name])
        if guard not in source:
            raise LookupError(f"{name}.lua no longer says {guard!r}: this mutation must follow it")
        world.server.rewrite[name] = source.replace(guard, instead)

    return mutate


MUTATIONS: dict[str, Mutation] = {
    "settle ignores the token": of_script("settle", "if stored[2] ~= item.token then", "if false then"),
    "extend ignores the token": of_script(
        "extend", "if stored[1] ~= 'running' or stored[2] ~= item[2] then", "if stored[1] ~= 'running' then"
    ),
    "take ignores a halt": of_script("take", "if halted() then return {'0'} end", ""),
}
