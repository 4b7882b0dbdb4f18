"""Every transition, as one call: records in, a script, records out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from scheduled_prompts.budgets import Budgets
from scheduled_prompts.errors import StoreUnusable
from scheduled_prompts.limits import Limits
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.store import script
from scheduled_prompts.store.acting import Actor, By, actor_of
from scheduled_prompts.store.codec import lease_from, pairs
from scheduled_prompts.store.denials import raise_where_denied
from scheduled_prompts.store.pages import BATCH, pages
from scheduled_prompts.store.records import (
    EVERYTHING,
    Cancelled,
    ClaimItem,
    Created,
    EditItem,
    Lease,
    Purged,
    Refused,
    Rejected,
    Serves,
    SettleItem,
    Taken,
    Unreadable,
)
from scheduled_prompts.store.transport import Transport, to_json

PURGE_BATCH = 25
"""Prompts a script: each may have a thousand fires, and nobody else is served while they are deleted."""
EXPIRED_AT_ONCE = 100
DAEMON_ALIVE_MS = 15_000
NO_LIMITS = Limits()
NO_BUDGETS = Budgets()


class Transitions:
    transport: Transport
    _op_prefix: str
    _ops: int

    def new_op(self) -> str:
        """An op id: the same for all repetitions of one request."""
        self._ops += 1
        return f"{self._op_prefix}{self._ops:x}"

    async def create(
        self,
        prompt: ScheduledPrompt,
        *,
        limits: Limits | None = None,
        imported: str | None = None,
        by: By = "",
        op: str | None = None,
    ) -> str | None:
        """Store a new prompt, as somebody who may do anything. Returns the id of the living prompt that already has its
        key, or None. One that is `pending_approval` waits from now on, as its fields say.

        `imported`: what was next (ms UTC) where it comes from, '' where that is unknown; `by`: who imports it. Raises
        LimitReached.
        """
        made = await self.create_for(by, prompt, limits=limits, imported=imported, op=op)
        return made.id if made.outcome == "exists" else None

    async def create_for(
        self,
        by: By,
        prompt: ScheduledPrompt,
        *,
        limits: Limits | None = None,
        imported: str | None = None,
        parent_version: int | None = None,
        op: str | None = None,
    ) -> Created:
        """Store a new prompt. `parent_version`: that of the prompt in whose fire `by` acts, as it was read. Raises
        LimitReached, Forbidden."""
        actor = actor_of(by)
        answer = await self.transport.run(
            script.SAVE,
            op=op or self.new_op(),
            mode="create",
            prompt=to_json(
                {
                    "id": prompt.id,
                    "doc": prompt.document(),
                    "status": prompt.status,
                    "platform": prompt.platform,
                    "owner": prompt.owner or "",
                    "agent": prompt.agent or "",
                    "conversation": prompt.conversation or "",
                    "limits": _caps(limits),
                    "made_per_owner": 0 if limits is None else limits.made_per_owner,
                    "max_depth": 0 if limits is None else limits.max_depth,
                    "parent_version": "" if parent_version is None else str(parent_version),
                    "key": prompt.key or "",
                    "created_at": str(prompt.created_at),
                    "next_nominal": str(prompt.next_nominal),
                    "next_at": str(prompt.next_at),
                    "more": _more(prompt),
                    "who": actor.fields(),
                    **({} if imported is None else {"imported": imported}),
                    **({"approval": _asks(prompt)} if prompt.status is PromptStatus.PENDING_APPROVAL else {}),
                }
            ),
        )
        if answer[0] == "conflict":
            raise StoreUnusable(f"a prompt with the id {prompt.id} exists already")
        raise_where_denied(answer, actor)
        return Created(answer[0], "" if len(answer) < 2 else str(answer[1]))

    async def retime(
        self, prompt: ScheduledPrompt, next_nominal: int, next_at: int, *, by: By = "", op: str | None = None
    ) -> bool:
        """Move what is next, because the rules of the zone changed. False where the prompt changed meanwhile."""
        answer = await self.transport.run(
            script.SAVE,
            op=op or self.new_op(),
            mode="retime",
            prompt=to_json(
                {
                    "id": prompt.id,
                    "version": str(prompt.version),
                    "seq": str(prompt.seq),
                    "status": prompt.status,
                    "platform": prompt.platform,
                    "who": actor_of(by).fields(),
                    "next_nominal": str(next_nominal),
                    "next_at": str(next_at),
                }
            ),
        )
        return bool(answer[0] == "retimed")

    async def claim(self, items: Sequence[ClaimItem], *, op: str | None = None) -> list[str]:
        """For each item `claimed`, `waits`, `early` (claim it when it is due), `lost`, `gone` or `halted`. At most 500
        items."""
        return list(await self.transport.run(script.CLAIM, op=op or self.new_op(), items=to_json(items)))

    async def take(
        self,
        limit: int,
        *,
        lease_ms: int,
        daemon: str,
        serves: Serves,
        limits: Limits = NO_LIMITS,
        budgets: Budgets = NO_BUDGETS,
        op: str | None = None,
    ) -> Taken:
        """Lease up to `limit` (at most 500) ready fires, as far as the fleet's `limits` and `budgets` let them run."""
        token = op or self.new_op()
        answer = await self.transport.run(
            script.TAKE,
            op=token,
            limit=limit,
            lease=lease_ms,
            daemon=daemon,
            serves=to_json(serves._asdict()),
            limits=limits.document(),
            budgets=budgets.document(self.transport.clock.now()),
        )
        found = [lease_from(token, fire_id, pairs(fields), document) for fire_id, fields, document in answer[1:]]
        leases = [lease for lease in found if isinstance(lease, Lease)]
        unreadable = [fire for fire in found if isinstance(fire, Unreadable)]
        return Taken(token, leases, unreadable, int(answer[0]))

    async def extend(self, items: Sequence[tuple[str, str, int | None]], *, lease_ms: int) -> list[str]:
        """Renew leases given as (fire id, token, started at). For each `ok`, `cancel` or `lost`."""
        states: list[str] = []
        for page in pages(items):
            rows = [(fire, token, "" if started is None else str(started)) for fire, token, started in page]
            states += await self.transport.run(script.EXTEND, lease=lease_ms, items=to_json(rows))
        return states

    async def settle(self, items: Sequence[SettleItem], *, keep: int) -> list[str]:
        """End attempts. For each `settled` or `lost`. At most 500 items; `keep` bounds each prompt's history."""
        return list(await self.transport.run(script.SETTLE, keep=keep, items=to_json(items)))

    async def wake(self, serves: Serves = EVERYTHING) -> int:
        """Let the best of those that wait for a limit, and are taken here, try again, where there may be room: the
        limit may have been raised. Returns how many."""
        answer = await self.transport.run(script.WAKE, limits=BATCH, serves=to_json(serves._asdict()))
        return int(answer[0])

    async def reap(self, *, leases: bool, max_crashes: int, op: str | None = None) -> list[tuple[str, str]]:
        """Free what lost daemons held (if `leases`) and make due retries ready: (fire id, what became of it)."""
        answer = await self.transport.run(
            script.REAP,
            op=op or self.new_op(),
            limit=BATCH,
            leases="1" if leases else "0",
            max_crashes=max_crashes,
        )
        return [(fire, outcome) for fire, outcome in answer]

    async def edit(
        self, item: EditItem, *, limits: Limits | None = None, by: By = "", op: str | None = None
    ) -> int | Refused | str:
        """Give a prompt another definition. Returns its new version; `Refused` where it is not as it was read or was
        cancelled; the id of the living prompt that has its key; `moved`: compute again what is next; or `over`: it is
        to be approved, and nothing is to come.
        Raises LimitReached, Forbidden."""
        actor = actor_of(by)
        wanted = {**item, "who": actor.fields(), "limits": _caps(limits)}
        answer = await self.transport.run(script.EDIT, op=op or self.new_op(), edit=to_json(wanted))
        raise_where_denied(answer, actor)
        if answer[0] == "edited":
            return int(answer[1])
        if answer[0] == "exists":
            return str(answer[1])
        return str(answer[0]) if answer[0] in ("moved", "over") else _refused(answer)

    async def pause(
        self,
        prompt_id: str,
        *,
        version: int | None = None,
        reason: str,
        note: str = "",
        by: By = "",
        op: str | None = None,
    ) -> int | Refused:
        """A prompt fires no more until it is resumed. Returns how many waiting fires were taken back."""
        answer = await self.transport.run(
            script.PAUSE,
            op=op or self.new_op(),
            id=prompt_id,
            version="" if version is None else str(version),
            reason=reason,
            note=note,
            who=to_json(actor_of(by).fields()),
        )
        raise_where_denied(answer, actor_of(by))
        return int(answer[1]) if answer[0] == "paused" else _refused(answer)

    async def resume(
        self,
        prompt: ScheduledPrompt,
        status: str,
        next_nominal: int,
        next_at: int,
        *,
        limits: Limits | None = None,
        by: By = "",
        op: str | None = None,
    ) -> Refused | None:
        """A paused prompt fires again, from `next_nominal` on. None where it does. Raises LimitReached."""
        answer = await self.transport.run(
            script.RESUME,
            op=op or self.new_op(),
            id=prompt.id,
            version=str(prompt.version),
            seq=str(prompt.seq),
            status=status,
            platform=prompt.platform,
            next_nominal=str(next_nominal),
            next_at=str(next_at),
            skips=skips_json(nominal for nominal in prompt.skips if nominal >= next_nominal),
            who=to_json(actor_of(by).fields()),
            limits=to_json(_caps(limits)),
        )
        raise_where_denied(answer, actor_of(by))
        return None if answer[0] == "resumed" else _refused(answer)

    async def skip(
        self,
        mode: Literal["skip", "unskip"],
        prompt: ScheduledPrompt,
        nominal: int,
        skips: Iterable[int],
        *,
        by: By = "",
        op: str | None = None,
    ) -> str | Refused:
        """`skips`: all that are to be skipped from now on. Returns `done`, `taken_back` (it was claimed ahead), or the
        status of its fire where it is too late."""
        answer = await self.transport.run(
            script.SKIP,
            op=op or self.new_op(),
            mode=mode,
            id=prompt.id,
            version=str(prompt.version),
            nominal=str(nominal),
            skips=skips_json(skips),
            who=to_json(actor_of(by).fields()),
        )
        raise_where_denied(answer, actor_of(by))
        if answer[0] in ("conflict", "gone"):
            return _refused(answer)
        return str(answer[1] if answer[0] == "late" else answer[0])

    async def approve(
        self,
        prompt: ScheduledPrompt,
        status: str,
        next_nominal: int,
        next_at: int,
        *,
        note: str = "",
        by: str = "",
        op: str | None = None,
    ) -> Refused | None:
        """What waits for approval fires, from `next_nominal` on. None where it does; Refused, with the status `late`,
        where its time for that ran out."""
        answer = await self._decide(
            "approve",
            {
                "id": prompt.id,
                "version": str(prompt.version),
                "seq": str(prompt.seq),
                "status": status,
                "platform": prompt.platform,
                "next_nominal": str(next_nominal),
                "next_at": str(next_at),
                "skips": skips_json(nominal for nominal in prompt.skips if nominal >= next_nominal),
                "note": note,
                "by": by,
            },
            op,
        )
        if answer[0] == "late":
            return Refused("late")
        return None if answer[0] == "approved" else _refused(answer)

    async def reject(
        self, prompt_id: str, *, version: int | None = None, note: str = "", by: str = "", op: str | None = None
    ) -> Rejected | Refused:
        """What waits for approval is cancelled."""
        said = {"id": prompt_id, "version": "" if version is None else str(version), "note": note, "by": by}
        answer = await self._decide("reject", said, op)
        return Rejected(int(answer[1]), int(answer[2])) if answer[0] == "rejected" else _refused(answer)

    async def expire_approvals(self, *, by: str = "scheduled-prompts", op: str | None = None) -> list[str]:
        """Cancel what nobody approved in time, at most 100 at once. Returns their ids."""
        return [
            str(prompt) for prompt in await self._decide("expire", {"limit": EXPIRED_AT_ONCE, "by": by, "note": ""}, op)
        ]

    async def _decide(self, mode: str, decision: Mapping[str, str | int], op: str | None) -> list[str]:
        answer = await self.transport.run(script.DECIDE, op=op or self.new_op(), mode=mode, decision=to_json(decision))
        return list(answer)

    async def cancel(self, prompt_id: str, *, by: By = "", op: str | None = None) -> Cancelled | Refused:
        """A prompt fires no more; what waits ends, what runs is asked to stop."""
        who = to_json(actor_of(by).fields())
        answer = await self.transport.run(script.CANCEL, op=op or self.new_op(), id=prompt_id, who=who)
        raise_where_denied(answer, actor_of(by))
        if answer[0] == "cancelled":
            return Cancelled(answer[1], int(answer[2]), int(answer[3]))
        return _refused(answer)

    async def cancel_fire(
        self, fire_id: str, *, by: By = "", op: str | None = None
    ) -> Literal["ended", "asked"] | Refused:
        """A waiting fire ends, a running one is asked to stop."""
        who = to_json(actor_of(by).fields())
        answer = await self.transport.run(script.CANCEL_FIRE, op=op or self.new_op(), fire=fire_id, who=who)
        raise_where_denied(answer, actor_of(by))
        return answer[0] if answer[0] in ("ended", "asked") else _refused(answer)

    async def note_refusal(self, actor: Actor, deed: str, code: str, note: str, *, op: str | None = None) -> None:
        """Note down, on the prompt in whose fire somebody acts, what that was refused."""
        who = to_json(actor.fields())
        await self.transport.run(script.REFUSE, op=op or self.new_op(), who=who, deed=deed, code=code, note=note)

    async def quarantine(self, prompt: Unreadable | ScheduledPrompt, error: str, *, op: str | None = None) -> bool:
        """Set a record aside that cannot be read or computed. False where it changed meanwhile."""
        answer = await self.transport.run(
            script.QUARANTINE,
            op=op or self.new_op(),
            id=prompt.id,
            status=prompt.status,
            version=str(prompt.version),
            seq=str(prompt.seq),
            error=error,
        )
        return bool(answer[0] == "quarantined")

    async def purge(
        self, prompts: Iterable[ScheduledPrompt], before: int, *, keep: int | None = None, op: str | None = None
    ) -> Purged:
        """Delete what has been over since before `before` (ms UTC), and of a living prompt's fires all but the latest
        `keep`. Of a prompt with more than 1,000 fires to go, the oldest 1,000; it is kept until a later call finds none
        left."""
        items = [
            {
                "id": p.id,
                "version": str(p.version),
                "platform": p.platform,
                "owner": p.owner or "",
                "agent": p.agent or "",
                "key": p.key or "",
            }
            for p in prompts
        ]
        op = op or self.new_op()
        answer: list[tuple[str, str]] = []
        for first in range(0, len(items), PURGE_BATCH):
            page = items[first : first + PURGE_BATCH]
            answer += await self.transport.run(
                script.PURGE, op=f"{op}.{first}", before=str(before), keep=keep or 0, items=to_json(page)
            )
        return Purged(
            prompts=sum(1 for outcome, _ in answer if outcome == "purged"),
            fires=sum(int(fires) for _, fires in answer),
            undated=[item["id"] for item, (outcome, _) in zip(items, answer, strict=True) if outcome == "undated"],
        )

    async def heartbeat(self, daemon: str, info: str) -> list[tuple[str, str]]:
        """Say that `daemon` lives (or, with an empty info, leaves). Returns (id, info) of all that live."""
        answer = await self.transport.run(script.HEARTBEAT, daemon=daemon, info=info, alive=DAEMON_ALIVE_MS)
        return [(daemon_id, info) for daemon_id, info in answer]


def _more(prompt: ScheduledPrompt) -> dict[str, str]:
    """What most new prompts do not have."""
    fields = {
        "last_nominal": prompt.last_nominal,
        "paused_at": prompt.paused_at,
        "pause_reason": prompt.pause_reason,
        "pause_note": prompt.pause_note,
        "skips": skips_json(prompt.skips) or None,
        "created_by": prompt.created_by,
        "created_in": prompt.created_in,
        "lineage": " ".join(prompt.lineage) or None,
        "fired": prompt.fired or None,
        "decision": prompt.decision,
        "decided_at": prompt.decided_at,
        "decided_by": prompt.decided_by,
        "decision_note": prompt.decision_note,
        "updated_at": None if prompt.updated_at == prompt.created_at else prompt.updated_at,
    }
    return {name: str(value) for name, value in fields.items() if value is not None}


def _asks(prompt: ScheduledPrompt) -> dict[str, str]:
    return {
        "since": str(prompt.pending_since),
        "until": str(prompt.pending_until),
        "why": prompt.pending_why or "",
        "by": prompt.pending_by or prompt.created_by or "",
    }


def skips_json(nominals: Iterable[int]) -> str:
    """As the store keeps them: JSON, or '' for none."""
    kept = sorted(set(nominals))
    return to_json([str(nominal) for nominal in kept]) if kept else ""


def _caps(limits: Limits | None) -> dict[str, int]:
    return {} if limits is None else limits.caps


def _refused(answer: list[str]) -> Refused:
    return Refused("gone") if answer[0] == "gone" else Refused(*answer[1:])
