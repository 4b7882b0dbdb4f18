"""Guards that are taken away, one at a time, to see whether the machine notices. Each is a change of the scripts' text,
as somebody might make it by mistake; one of the prelude changes all scripts that use it.

A mutation must still find the text that it replaces: when a script is rewritten, it is, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from scheduled_prompts.store import script


class Mutation(NamedTuple):
    guard: str
    instead: str


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    changed = [one for one in script.ALL if mutation.guard in one.source]
    if not changed:
        raise LookupError(f"no script says {mutation.guard!r} any more: this mutation must follow it")
    before = [(one, one.source, one.sha) for one in changed]
    try:
        for one in changed:
            one.source = one.source.replace(mutation.guard, mutation.instead)
            one.sha = hashlib.sha1(one.source.encode(), usedforsecurity=False).hexdigest()
        yield
    finally:
        for one, source, sha in before:
            one.source, one.sha = source, sha


MUTATIONS = {
    # Limits and parking
    "reap leaves the slots taken": Mutation("  release(fire)\n", "  harm_alone(reconcile, fire)\n"),
    "take lets one more run": Mutation("slots_taken(limit[1]) >= limit[2]", "slots_taken(limit[1]) > limit[2]"),
    "an end wakes nobody": Mutation(
        "redis.pcall('SREM', slots_key(limit), fire)\n      wake(limit)", "redis.pcall('SREM', slots_key(limit), fire)"
    ),
    "an end wakes nobody of its prompt": Mutation("  wake('prompt:' .. prompt_of(fire))\n", ""),
    "waking ignores the priority": Mutation(
        "park(fire, full, string.format('%.0f', stored.score))", "park(fire, full, stored.due)"
    ),
    "the worst is woken": Mutation(
        "redis.pcall('ZRANGE', parked_key(limit)", "redis.pcall('ZREVRANGE', parked_key(limit)"
    ),
    "a parked fire that is cancelled stays parked": Mutation(
        "if stored[3] then return unpark(fire, stored[3]) end", ""
    ),
    "who was woken and is stopped keeps its turn": Mutation(
        "redis.call('HDEL', fire_key(fire), 'woken')\n    wake(stored[4])",
        "redis.call('HDEL', fire_key(fire), 'woken')",
    ),
    "who was woken and is held up elsewhere keeps its turn": Mutation(
        "if not may or not wants_slot(stored, stored.woken) then wake(stored.woken) end", ""
    ),
    "a raised limit lets one in": Mutation("if slots_taken(limit[1]) < limit[2] then wake(limit[1]) end", ""),
    "one of its prompt runs, and so does it": Mutation("stored.overlap and another_runs(fire)", "false"),
    "a sweep wakes one that somebody else takes": Mutation("until is_served(fire) or woken >= 1000", "until true"),
    "a key lets any number run": Mutation("if not most or slots_taken(limit) < most then", "if true then"),
    # Overlap
    "replace leaves what runs": Mutation("local _, asked = stop_fires(fires.running, 'replaced')", "local asked = {}"),
    "replace leaves what waits": Mutation("    stop_fires(fires.queued, 'replaced')\n", ""),
    "what replaces goes to the end": Mutation(
        "if turn and (not item.place or tonumber(turn) < tonumber(item.place)) then item.place = turn end", ""
    ),
    "skip claims anyway": Mutation("if item.overlap ~= 'replace' then return 'busy' end", ""),
    "any number wait": Mutation("item.queue_limit or 0) then", "1000 or 0) then"),
    "what is claimed ahead is judged at once": Mutation(
        "if tonumber(item.due) > tonumber(now) then return 'early' end", ""
    ),
    "a retry goes on beside the next occurrence": Mutation(
        "redis.call('ZREM', retries_key, fire)\n      end_fire(fire, 'failed', 'superseded')", ""
    ),
    # Money
    "reap returns no reservation": Mutation(
        "harm_alone(reconcile, fire, item)", "if item then harm_alone(reconcile, fire, item) end"
    ),
    "a repeated settle pays again": Mutation(
        "if stored[1] ~= 'running' then return end\n  released",
        "if stored[1] ~= 'running' then return release(item.fire, item) end\n  released",
    ),
    "a budget forgets what is reserved": Mutation("local taken = used + reserved", "local taken = used"),
    "a day's budget counts all days": Mutation(
        "local is_today = spent[3] and spent[3] >= day", "local is_today = true"
    ),
    "what is taken ahead belongs to today": Mutation(
        "and budgets.next_day or budgets.day", "and budgets.day or budgets.day"
    ),
    "what nobody knows was free": Mutation("assumed = assumed + reserved", "assumed = assumed + 0"),
    "what nobody knew is paid, and what is known, too": Mutation(
        "assumed = math.min(assumed, math.max(0, most - known))", ""
    ),
    "a further attempt may cost as much again": Mutation(
        "local wants = math.max(0, most - cost -", "local wants = math.max(0, most - 0 * cost -"
    ),
    "a fire may cost what one may not": Mutation("local too_much = of_one and most > of_one", "local too_much = false"),
    # Rates
    "one more begins within a day": Mutation(
        "if surplus < 0 then return nil end", "if surplus <= 0 then return nil end"
    ),
    "nobody waits behind others": Mutation(
        "redis.call('ZRANK', turns, fire) or redis.call('ZCARD', turns)", "redis.call('ZRANK', turns, fire) or 0"
    ),
    "what was given back counts": Mutation("if item.started_at == '' then uncount_attempt(item.fire) end", ""),
    "what would be lost is skipped": Mutation(
        "not stored.turns and comes_again(fire, stored)", "not stored.turns and stored.trigger"
    ),
    "who ends keeps its turn": Mutation("if turns then give_up_turns(fire, turns) end", ""),
    "a run by hand that waits for its turn is superseded": Mutation(
        "if stored[1] == 'schedule' or not stored[2] then", "if true then"
    ),
    # Approval
    "approve compares no version": Mutation("(wanted.version ~= '' and wanted.version ~= stored[2])", "false"),
    "approve comes late": Mutation("if (tonumber(stored[8] or '') or 0) <= tonumber(now) then return {'late'} end", ""),
    "approvals do not run out": Mutation(
        "'ZRANGEBYSCORE', approvals_key, '-inf', now,", "'ZRANGEBYSCORE', approvals_key, '-inf', 0,"
    ),
    "what waits for approval is run by hand": Mutation(" or stored[3] == 'pending_approval'\n", "\n"),
    "an edit that is to be approved leaves what waits": Mutation(
        "_, asked = take_back(id, 'pending_approval', false)", "asked = {}"
    ),
    "what is tried again does not wait for approval": Mutation(
        "return (status == 'paused' or status == 'pending_approval') and status", "return status == 'paused' and status"
    ),
    # What daemons do
    "settle ignores the token": Mutation("if stored[2] ~= item.token then", "if false then"),
    "a repeated take takes more": Mutation("if prior then\n  local held = {}", "if false then\n  local held = {}"),
    "take ignores the deadline": Mutation("if not deadline or ", "if true or not deadline or "),
    "take ignores a halt": Mutation("if halted() then return {'0'} end", ""),
    "what was halted and is given back ends": Mutation("if stored[3] == 'halted' then", "if false then"),
    "who is to be cancelled is merely taken back": Mutation("if not asked_already then", "if true then"),
    "what has started is taken back": Mutation("if taken_back[stored[2]] and stored[4] then", "if false then"),
    "what has started is taken back at its end": Mutation(
        "if taken_back[stored[3]] and item.outcome ~= 'cancelled'", "if false and item.outcome ~= 'cancelled'"
    ),
    "who has much waiting goes first": Mutation(
        "turn = math.max(turn, last + TURN_APART,", "turn = math.max(turn - 1,"
    ),
}
