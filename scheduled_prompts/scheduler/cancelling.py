"""Ending a prompt, alone or with all that came of it: what was made in its fires, and in the fires of those.

A tree is felled from the root: whoever runs in a fire of what is cancelled has no rights from then on, so nothing is
made below it any more. What was made between a look and the cancellation of its parent is found by the next look; a
tree has an end, and so have the looks.
"""

from __future__ import annotations

from scheduled_prompts import ids
from scheduled_prompts.errors import Conflict
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler.finding import no_such_prompt
from scheduled_prompts.store import Store
from scheduled_prompts.store.acting import Actor
from scheduled_prompts.store.records import Cancelled, Refused

MOST_LOOKS = 30
MOST_NAMED = 10
TELLING = ("made", "imported", "trimmed")
"""The entries of an account without any of which nothing was made in its prompt's fires, as far as is known here."""


async def cancel(store: Store, prompt_id: str, *, by: Actor) -> Cancelled:
    """Raises NotFound; Conflict where it has ended already."""
    answer = await store.cancel(prompt_id, by=by)
    living = () if isinstance(answer, Refused) and answer.status == "gone" else await _living(store, prompt_id)
    if isinstance(answer, Cancelled):
        return answer._replace(living=living)
    if answer.status == "gone":
        no_such_prompt(prompt_id)
    word = ids.short(prompt_id)
    raise Conflict(
        f"prompt {word} is {answer.status} already: there is nothing left to cancel",
        hint=f"what came of it goes on: {_named(living)}; `cancel --tree` ends that, too" if living else None,
    )


async def cancel_tree(store: Store, prompt_id: str, *, by: Actor) -> Cancelled:
    """The same with all its living descendants; nothing is refused because it has ended already. Raises NotFound."""
    [found] = await store.read_prompts([prompt_id])
    if found is None:
        no_such_prompt(prompt_id)
    owner = found.owner if isinstance(found, ScheduledPrompt) else None
    # From inside of its own fire it goes last: with it go the rights to cancel what it made.
    itself_last = by.caller is not None and by.caller.prompt == prompt_id
    root = None if itself_last else await store.cancel(prompt_id, by=by)
    gone: list[str] = []
    ended = asked = 0
    for _ in range(MOST_LOOKS):
        living = await store.living_descendants(prompt_id, owner)
        for descendant in living:
            answer = await store.cancel(descendant, by=by)
            if isinstance(answer, Cancelled):
                gone.append(descendant)
                ended, asked = ended + answer.ended, asked + answer.asked_to_stop
        if not living:
            break
    else:
        raise Conflict(
            f"of prompt {ids.short(prompt_id)} more is made than can be cancelled: {len(gone)} of it were",
            hint="`stop-all --cancel-running` stops everything; then try again",
        )
    root = root or await store.cancel(prompt_id, by=by)
    if isinstance(root, Refused):
        if root.status == "gone":
            no_such_prompt(prompt_id)
        return Cancelled(root.status, ended, asked, tuple(gone))
    return Cancelled(root.before, root.ended + ended, root.asked_to_stop + asked, tuple(gone))


async def _living(store: Store, prompt_id: str) -> tuple[str, ...]:
    """Its living descendants. Most have none, which their account tells without a look through all there is."""
    if not any(span.kind in TELLING for span in await store.spans(prompt_id)):
        return ()
    [found] = await store.read_prompts([prompt_id])
    owner = found.owner if isinstance(found, ScheduledPrompt) else None
    return tuple(await store.living_descendants(prompt_id, owner))


def _named(prompts: tuple[str, ...]) -> str:
    return ", ".join(map(ids.short, prompts[:MOST_NAMED])) + (", …" if len(prompts) > MOST_NAMED else "")
