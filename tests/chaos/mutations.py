"""Guards that are taken away, one at a time, each under the kind of fault that it is there for: is it noticed?

It happens in the processes of a run (`launcher.py`, `client.py`) or in the settings of its server, never in the
package. What the simulation takes away, too, is taken from there.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

TRIES = 6
"""Seeds that a mutation may take until it is found."""


@dataclass(frozen=True)
class Mutation:
    """`kinds`: the faults under which it is to be found."""

    kinds: tuple[str, ...]
    in_process: Callable[[], None] = lambda: None
    server: dict[str, str] = field(default_factory=dict)


def _as_simulated(name: str) -> Callable[[], None]:
    """One of the simulation's, in this process for good."""

    def apply() -> None:
        from tests.simulation.mutations import MUTATIONS as SIMULATED

        _apply(SIMULATED[name])

    return apply


def _of_script(*rewritten: tuple[str, str, str]) -> Callable[[], None]:
    def apply() -> None:
        from tests.simulation.mutations import of_script

        for name, guard, instead in rewritten:
            _apply(of_script(name, guard, instead))

    return apply


def _apply(simulated: Callable[[Any], None]) -> None:
    from scheduled_prompts.store import script

    world = SimpleNamespace(server=SimpleNamespace(rewrite={one.name: one.source for one in script.ALL}), undo=[])
    simulated(world)
    for one in script.ALL:
        one.source = world.server.rewrite[one.name]
        one.sha = hashlib.sha1(one.source.encode(), usedforsecurity=False).hexdigest()


def _killed_commands_succeed() -> None:
    from scheduled_prompts.runners.process_group import ProcessGroup

    told = ProcessGroup.exit_code.fget
    assert told is not None
    ProcessGroup.exit_code = property(lambda group: max(told(group) or 0, 0))  # type: ignore[assignment,method-assign]


def _refusals_break_no_contact() -> None:
    from scheduled_prompts.store import transport

    assert transport._TAKES_NO_WRITES
    transport._TAKES_NO_WRITES = ()


def _save_in_two_steps() -> None:
    from scheduled_prompts.store import Store

    arms = "if armed then redis.call('ZADD', due_key(prompt.platform), prompt.next_at, id) end"
    tells = "if armed then announce('armed', {prompt = id, platform = prompt.platform, due = prompt.next_at}) end"
    _of_script(("save", arms, ""))()
    _of_script(("save", tells, ""))()
    create = Store.create_for

    async def create_and_arm(self: Store, by: Any, prompt: Any, **options: Any) -> Any:
        answer = await create(self, by, prompt, **options)
        await asyncio.sleep(0.25)
        await self.transport.client.zadd(self.keys.due(prompt.platform), {prompt.id: prompt.next_at})
        return answer

    Store.create_for = create_and_arm  # type: ignore[method-assign]


def _all_claim_at_once() -> None:
    from scheduled_prompts.engine import sweep, watch

    for module in (sweep, watch):
        module.patience_ms = lambda _rank: 0  # type: ignore[attr-defined]
    _as_simulated("claim compares nothing")()
    _of_script(("claim", "if prior then return prior end", ""))()


MUTATIONS: dict[str, Mutation] = {
    "take does not raise the attempt": Mutation(("kill_daemon",), _as_simulated("take does not raise the attempt")),
    "at most once: the start is not written": Mutation(
        ("kill_daemon",), _as_simulated("at most once: the start is not written")
    ),
    "reaped fires are forgotten": Mutation(("kill_daemon",), _of_script(("reap", "    put_back_in_ready(fire)\n", ""))),
    "claim compares nothing": Mutation(("stall_server", "cut"), _all_claim_at_once),
    "settle ignores the token": Mutation(("stop_daemon",), _as_simulated("settle ignores the token")),
    "what a stopping daemon gives back is forgotten": Mutation(
        ("term_daemon",),
        _of_script(("settle", "    put_back_in_ready(item.fire)\n    ready = true", "    ready = true")),
    ),
    "a command that was killed has succeeded": Mutation(("kill_command",), _killed_commands_succeed),
    "save takes two steps": Mutation(("kill_client",), _save_in_two_steps),
    "what was acknowledged is not on disk": Mutation(("kill_server",), server={"appendonly": "no"}),
    "all die, and what was acknowledged is not on disk": Mutation(("kill_all",), server={"appendonly": "no"}),
    "what was acknowledged waits for the disk": Mutation(("disk_full",), server={"appendfsync": "everysec"}),
    "reap needs no contact": Mutation(("stall_server",), _as_simulated("reap needs no contact")),
    "a take whose answer was lost takes more": Mutation(
        ("cut",), _of_script(("take", "if prior then\n  local held", "if false then\n  local held"))
    ),
    "a refused end is the fire's own fault": Mutation(
        ("out_of_memory",), _of_script(("settle", "'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS ', ", ""))
    ),
    "refused writes break no contact": Mutation(("refuse_writes",), _refusals_break_no_contact),
    "a full disk breaks no contact": Mutation(("disk_refuses",), _refusals_break_no_contact),
}


def mutate(name: str) -> None:
    """This process is to have the fault."""
    MUTATIONS[name].in_process()


def of_server(name: str) -> dict[str, str]:
    return dict(MUTATIONS[name].server) if name else {}


def findings_of(
    name: str, kinds: tuple[str, ...], seed: int, tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """What a short run under these faults finds; `name`: '' where no guard is taken away."""
    from tests.chaos.run import Wanted, run

    wanted = Wanted(300, 8, seed, kinds=kinds, mutation=name, gap=1.0)
    told = run(replace(wanted, repeat_for=4.0, calm=40.0, longest=120.0))
    shutil.rmtree(told.folder, ignore_errors=True)
    findings = told.verdict.findings
    first = findings[0].splitlines()[0][:170] if findings else "NOTHING"
    what = name or "no guard taken away"
    tell(f"{what} ({', '.join(kinds)}): seed {seed}, {told.seconds:.0f} s, {len(findings)} findings: {first}")
    return findings


def is_found(name: str, seed: int, tell: Callable[[str], None] = lambda _: None) -> bool:
    return bool(findings_of(name, MUTATIONS[name].kinds, seed, tell))


def hunt(names: list[str], seed: int) -> int:
    """0 where each of them was found, by one of a few seeds, and nothing where no guard is taken away."""

    def tell(text: str) -> None:
        print(text, flush=True)

    for kinds in dict.fromkeys(MUTATIONS[name].kinds for name in names or MUTATIONS):
        if findings_of("", kinds, seed, tell):
            print("what is found with all guards in place proves nothing of those that are taken away")
            return 1
    missed = []
    for name in names or MUTATIONS:
        if not any(is_found(name, seed + more, tell) for more in range(TRIES)):
            missed.append(name)
    print(f"not found: {missed}" if missed else f"all {len(names or MUTATIONS)} were found")
    return 1 if missed else 0
