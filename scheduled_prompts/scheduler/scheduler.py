"""What a caller can do with prompts. It needs no daemon: it writes to the store, and daemons that live take notice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from redis.asyncio import Redis

from scheduled_prompts.approval import Approval
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.clock import Clock
from scheduled_prompts.errors import Conflict, Forbidden, InvalidInput
from scheduled_prompts.fire import Fire
from scheduled_prompts.limits import Limits
from scheduled_prompts.policies import OwnerPolicies, Policies
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.schedule import system_timezone, zone
from scheduled_prompts.scheduler import (
    applying,
    approving,
    cancelling,
    changing,
    cleaning,
    creating,
    explaining,
    exporting,
    finding,
    firing,
    serving,
    spending,
)
from scheduled_prompts.scheduler.allowances import Allowance, allowances
from scheduled_prompts.scheduler.answers import (
    UPCOMING,
    Approved,
    Edited,
    FirePage,
    NotApproved,
    Paused,
    Preview,
    PromptPage,
    Resumed,
    Scheduled,
    Skipped,
)
from scheduled_prompts.scheduler.applying import Applied, Wanted
from scheduled_prompts.scheduler.auditing import actor_named
from scheduled_prompts.scheduler.authority import Authority
from scheduled_prompts.scheduler.defining import When, to_schedule, validated, with_instants
from scheduled_prompts.scheduler.diagnosis import Finding, Progress, examine
from scheduled_prompts.scheduler.events import EventPage, Events, Since, events_since, last_events
from scheduled_prompts.scheduler.explaining import Explained, Moment, Why
from scheduled_prompts.scheduler.exporting import Imported
from scheduled_prompts.scheduler.spending import Spending
from scheduled_prompts.scheduler.stats import Stats, read_stats
from scheduled_prompts.store import Store
from scheduled_prompts.store.acting import Actor
from scheduled_prompts.store.halting import Halt, Stopped
from scheduled_prompts.store.records import Cancelled, DaemonInfo, Purged, Quarantined, Span, Unreadable
from scheduled_prompts.tokens import Rules
from scheduled_prompts.upcoming import Occurrence, coming, occurrences

if TYPE_CHECKING:
    from scheduled_prompts.scheduler.sync import SyncScheduler

MOST_UPCOMING = 1000

Occurrences = list[Occurrence]


class Scheduler:
    """Prompts in one store.

    `where`: a store's URL, a redis-py asyncio client, or an open `Store` (which stays the caller's). `timezone`: the
    zone of prompts that name none; None: the system's. `runner`, `platform`: those of prompts that name none.
    `policies`: those of prompts that say nothing else; `owners`: instead, for those of an owner. `limits`: of how many
    there may be. `approval`: which prompts of callers wait for a person. `actor`: who makes the changes, as the account
    tells it. `caller`: on whose behalf all calls are made, with whose rights; None: of whoever may reach the store. Use
    it as an async context manager, or call `open` and `close`.

    All calls raise StoreUnreachable where the store does not answer. With a caller, another owner's prompts do not
    exist, and calls that are not the caller's to make raise Forbidden.
    """

    def __init__(
        self,
        where: str | Redis | Store = "embedded:",
        *,
        namespace: str = "sp",
        timezone: str | None = None,
        runner: str | None = None,
        platform: str | None = None,
        policies: Policies | None = None,
        owners: Mapping[str, OwnerPolicies] | None = None,
        limits: Limits | None = None,
        budgets: Budgets | None = None,
        approval: Approval | None = None,
        actor: str = "api",
        caller: Caller | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.store = where if isinstance(where, Store) else Store(where, namespace=namespace, clock=clock)
        self._owns_store = not isinstance(where, Store)
        self.clock = self.store.clock
        self.timezone = zone(timezone or system_timezone()).key
        self.policies = policies or Policies()
        self.owners = dict(owners or {})
        self.limits = limits or Limits()
        self.budgets = (budgets or Budgets()).in_zone(timezone)
        self.runner = runner
        self.platform = platform
        self.approval = approval or Approval()
        self.caller = caller
        self.actor = actor_named(actor if caller is None else caller.actor)
        self.who = Actor(self.actor, caller)
        self.authority = Authority(self.store, self.who, self.limits, runner, platform)

    def as_caller(self, caller: Caller) -> Scheduler:
        """The same store through the eyes, and with the rights, of a caller. It need not be closed."""
        return self._bound(caller, Rules(self.limits, self.approval, self.budgets))

    async def as_bearer(self, token: str) -> Scheduler:
        """The same store through the eyes of whoever a token was made for; in a fire, by the rules of the daemon that
        runs it (limits, approval, budgets), whatever they are here. Raises TokenRefused."""
        claims = await self.store.claims_of(token)
        return self._bound(claims.caller, claims.rules or Rules(self.limits, self.approval, self.budgets))

    def _bound(self, caller: Caller, rules: Rules) -> Scheduler:
        return Scheduler(
            self.store,
            timezone=self.timezone,
            runner=self.runner,
            platform=self.platform,
            policies=self.policies,
            owners=self.owners,
            limits=rules.limits,
            budgets=rules.budgets,
            approval=rules.approval,
            caller=caller,
        )

    @staticmethod
    def sync(where: str | Redis | Store = "embedded:", **arguments: Any) -> SyncScheduler:
        """The same for programs without an event loop, open: `with Scheduler.sync(url) as scheduler: …`. The arguments
        are those of `Scheduler`."""
        from scheduled_prompts.scheduler.sync import SyncScheduler

        return SyncScheduler(where, **arguments)

    async def open(self) -> Self:
        if self._owns_store:
            await self.store.open()
        return self

    async def close(self) -> None:
        if self._owns_store:
            await self.store.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def schedule(self, /, text: str, when: When, *, timezone: str | None = None, **definition: Any) -> Scheduled:
        """Store a new prompt.

        `when`: the grammar's text, one of the four kinds, or a datetime (a naive one is the zone's wall clock). Further
        arguments are the fields of `Definition`: name, key, runner, platform, owner, agent, conversation, labels,
        priority, timeout, retries, …

        With a `key` that a living prompt of the same owner has, nothing is changed and that prompt is returned.
        Raises InvalidInput (InvalidSchedule, UnknownTimezone) for anything that is refused; LimitReached.
        """
        async with self.authority.deed("schedule"):
            return await creating.schedule(self, text, when, timezone, definition)

    def asks(self, wanted: Definition, changed: Collection[str], prompt_id: str) -> dict[str, str] | None:
        """What approval an edit asks for; None where it needs none."""
        why = self.approval.why_changed(wanted, changed, self.caller, self.budgets, prompt_id)
        return None if why is None else {"until": str(self.clock.now() + self.approval.expires_after_ms), "why": why}

    def defaults_of(self, owner: object) -> dict[str, Any]:
        """The policies of a prompt of this owner that says nothing else, as far as anybody chose them."""
        own = self.owners.get(owner) if isinstance(owner, str) else None
        return {**self.policies.said(), **(own.said() if own is not None else {})}

    async def get(self, id_or_part: str) -> ScheduledPrompt:
        """A prompt by its id, or by any unambiguous beginning or end of it.

        Raises NotFound; InvalidInput where several match; StoreUnusable where the record cannot be read.
        """
        return await changing.read_whole(self.store, await self.resolve(id_or_part))

    async def resolve(self, id_or_part: str) -> str:
        """The full id. Raises NotFound, or InvalidInput where several match."""
        self.authority.require(Scope.READ, "read prompts")
        return await self.authority.full_id(id_or_part)

    async def list(
        self,
        *,
        status: str | None = None,
        owner: str | None = None,
        platform: str | None = None,
        agent: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PromptPage:
        """Prompts, newest first; all filters must match. `cursor` is that of the page before.

        Raises InvalidInput for an unknown status, a limit out of 1–1,000, or a cursor that is none.
        """
        self.authority.require(Scope.READ, "list prompts")
        wanted = {"owner": owner, "agent": agent, "status": status, "platform": platform}
        filters: dict[str, str | None] = {field: value for field, value in wanted.items() if value is not None}
        if self.caller is not None:
            if owner not in (None, self.caller.owner):
                return PromptPage([], None, [])
            filters["owner"] = self.caller.owner
        return await finding.page_of_prompts(self.store, filters, limit, cursor)

    # Changing

    async def edit(
        self,
        /,
        id_or_part: str,
        *,
        version: int | None = None,
        force: bool = False,
        when: When | None = None,
        **changes: Any,
    ) -> Edited:
        """Give a prompt another text, time, runner, … (the fields of `Definition`; None: the default again).

        Only with the `version` it was made on, or with `force`. What is next stays as it is, unless the schedule, its
        zone or its jitter changed; then the new schedule counts from now on, and an executed prompt lives again. Fires
        that were claimed already run what they were claimed with.

        Raises NotFound; VersionConflict where it was changed since; Conflict for a cancelled one; InvalidInput;
        LimitReached where it would live again, or be counted for somebody else.
        """
        async with self.authority.deed("edit"):
            return await changing.edit(
                self.store,
                self.defaults_of,
                self.limits,
                await self.authority.full_id(id_or_part),
                version,
                force,
                when,
                changes,
                by=self.who,
                check=self.authority.check_edit,
                asks=self.asks,
            )

    async def pause(self, id_or_part: str, note: str | None = None, *, version: int | None = None) -> Paused:
        """A prompt fires no more until it is resumed; what has started goes on.

        Raises NotFound; Conflict where it is not scheduled or active; VersionConflict where it is not at `version`.
        """
        async with self.authority.deed("pause"):
            prompt_id = await self.authority.full_id(id_or_part)
            return await changing.pause(self.store, prompt_id, note, version, by=self.who)

    async def resume(self, id_or_part: str) -> Resumed:
        """A paused prompt fires again, from its next occurrence on: what passed meanwhile is accounted for, not fired.
        Raises NotFound; Conflict where it is not paused, or nothing is left to come; LimitReached."""
        async with self.authority.deed("resume"):
            prompt_id = await self.authority.full_id(id_or_part)
            return await changing.resume(self.store, self.limits, prompt_id, by=self.who)

    # Approval

    async def approve(self, id_or_part: str, note: str | None = None, *, version: int | None = None) -> Approved:
        """What an agent asked for, and waits for approval, fires from its next occurrence on. `version`: only if it is
        still what was read then.

        Raises NotFound; Forbidden for a caller; Conflict where it does not wait, where its time for that ran out, or
        where nothing is left to come of it; VersionConflict.
        """
        self.authority.operators_only("approve what agents ask for")
        return await approving.approve(self.store, await self.resolve(id_or_part), note, version, by=self.actor)

    async def reject(self, id_or_part: str, note: str | None = None, *, version: int | None = None) -> NotApproved:
        """What waits for approval is cancelled; what of it still runs is asked to stop. Raises NotFound; Forbidden for
        a caller; Conflict where it does not wait; VersionConflict."""
        self.authority.operators_only("reject what agents ask for")
        return await approving.reject(self.store, await self.resolve(id_or_part), note, version, by=self.actor)

    async def skip(self, id_or_part: str, occurrence: str | datetime | int) -> Skipped:
        """One occurrence to come will not fire: `next`, or a nominal time (text in any zone's notation, a datetime, ms
        UTC). Raises NotFound; InvalidInput where there is no such occurrence; Conflict where it is too late."""
        async with self.authority.deed("skip"):
            prompt_id = await self.authority.full_id(id_or_part)
            return await changing.skip(self.store, prompt_id, "skip", occurrence, by=self.who)

    async def unskip(self, id_or_part: str, occurrence: str | datetime | int) -> Skipped:
        """An occurrence that was to be skipped will fire after all. Raises as `skip` does."""
        async with self.authority.deed("unskip"):
            prompt_id = await self.authority.full_id(id_or_part)
            return await changing.skip(self.store, prompt_id, "unskip", occurrence, by=self.who)

    async def cancel(self, id_or_part: str, *, tree: bool = False) -> Cancelled:
        """A prompt fires no more; what waits ends, what runs is asked to stop. What was made in its fires goes on, and
        the answer says so; `tree`: all of it, down to the last generation, is cancelled with it, even if the prompt
        itself has ended already.

        Raises NotFound; Conflict where it has ended already, unless with `tree`.
        """
        async with self.authority.deed("cancel"):
            prompt_id = await self.authority.full_id(id_or_part)
            cancel = cancelling.cancel_tree if tree else cancelling.cancel
            return await cancel(self.store, prompt_id, by=self.who)

    async def clean_up(self, days: float = 30) -> Purged:
        """Delete the caller's prompts that ended more than `days` ago, with their account. Raises InvalidInput;
        Forbidden where no caller is bound: of everybody's, a daemon cleans up by itself."""
        if self.caller is None:
            raise Forbidden("whose prompts are to be deleted is not said", hint="as_caller(…) binds their owner")
        async with self.authority.deed("cleanup", Scope.CLEANUP):
            self.authority.outside_of_fires("cleanup")
            return await cleaning.clean_up(self.store, self.caller.owner, days)

    # The kill switch

    async def stop_all(self, note: str | None = None, *, cancel_running: bool = False) -> Stopped:
        """Nothing is started any more, by no daemon, until `start_all`; what became due stays due. What runs goes on,
        unless `cancel_running` asks it to stop. Stopping what is stopped changes nothing else.

        Raises InvalidInput for a note that is too long.
        """
        self.authority.operators_only("stop all")
        changing.check_note(note)
        return await self.store.stop_all(by=self.actor, note=note or "", cancel_running=cancel_running)

    async def start_all(self) -> Halt | None:
        """All goes on: what became due meanwhile is judged by each prompt's misfire policy. Returns the halt that is
        over, or None where nothing was stopped."""
        self.authority.operators_only("let all go on")
        return await self.store.start_all(by=self.actor)

    async def halted(self) -> Halt | None:
        """Since when, by whom and why all is stopped; None where it is not."""
        return await self.store.halt()

    # Fires

    async def run_now(self, id_or_part: str) -> Fire:
        """One fire beside the schedule, which stays as it is. Raises NotFound; Conflict for a cancelled prompt;
        AllStopped."""
        async with self.authority.deed("run", Scope.RUN):
            prompt = await changing.read_whole(self.store, await self.authority.full_id(id_or_part))
            return await firing.fire_now(self.store, prompt, by=self.who, op=self.authority.op("run", prompt.id))

    async def rerun(self, reference: str) -> Fire:
        """Run once more what a fire that has ended ran, by the prompt's present definition. Raises NotFound; Conflict
        where it has not ended, or the prompt is cancelled."""
        async with self.authority.deed("rerun", Scope.RUN):
            fire = await firing.read_fire(self.store, await self.authority.full_fire_id(reference), reference)
            if not fire.status.has_ended:
                raise Conflict(f"fire {fire.id} is {fire.status}", hint="`fire cancel` stops it")
            prompt = await changing.read_whole(self.store, fire.prompt_id)
            op = self.authority.op("rerun", fire.id)
            return await firing.fire_now(self.store, prompt, rerun_of=fire.id, by=self.who, op=op)

    async def fire(self, reference: str, *, with_prompt: bool = False) -> Fire:
        """One fire, by its id, by `<prompt>@<nominal time>`, or by a prompt's id: that one's last. `with_prompt`: with
        the definition that it ran. Raises NotFound; InvalidInput where several match."""
        self.authority.require(Scope.READ, "read fires")
        found = await firing.read_fire(self.store, await self.authority.full_fire_id(reference), reference)
        if not with_prompt:
            return found
        return found.model_copy(update={"prompt": await firing.definition_of(self.store, found)})

    async def cancel_fire(self, reference: str) -> Fire:
        """A fire that waits ends; one that runs is asked to stop. Returns it as it is then. Raises NotFound; Conflict
        where it has ended."""
        async with self.authority.deed("cancel_fire"):
            fire_id = await self.authority.full_fire_id(reference)
            return await firing.cancel_fire(self.store, fire_id, reference, by=self.who)

    async def history(self, id_or_part: str, *, limit: int = 50, cursor: str | None = None) -> FirePage:
        """The fires of a prompt, latest nominal time first. Raises NotFound, InvalidInput."""
        return await finding.page_of_fires(self.store, await self.resolve(id_or_part), limit, cursor)

    async def spans(self, id_or_part: str) -> Sequence[Span]:
        """What a prompt's history does not tell: what was changed, when and by whom, and what was missed."""
        return await self.store.spans(await self.resolve(id_or_part))

    async def explain(self, id_or_part: str, *, since: Moment | None = None, until: Moment | None = None) -> Explained:
        """The account of a prompt: every occurrence from `since` (a week ago, or its creation) up to `until` (the next
        ones), each once: what became of it, or why nothing did. Raises NotFound, InvalidInput."""
        return await explaining.explain(self.store, await self.resolve(id_or_part), since, until)

    async def why(self, id_or_part: str, at: Moment) -> Why:
        """What became of the occurrence at a time, or why there is none, in one sentence. Raises NotFound,
        InvalidInput."""
        return await explaining.why(self.store, await self.resolve(id_or_part), at)

    async def quarantined(self) -> Sequence[Quarantined]:
        """Records that were set aside because they cannot be read or computed, latest first."""
        self.authority.operators_only("see what was set aside")
        return await self.store.quarantined()

    def preview(
        self,
        when: When,
        *,
        timezone: str | None = None,
        start: int | None = None,
        count: int = UPCOMING,
        **policies: Any,
    ) -> Preview:
        """What a prompt with this schedule, and these policies, would do after `start` (ms UTC; None: now). Draws of a
        random window and jitter depend on the prompt's id: a prompt made later has others. Raises InvalidInput."""
        self.authority.require(Scope.READ, "preview a schedule")
        if not 1 <= count <= MOST_UPCOMING:
            raise InvalidInput(f"count={count} is out of range", hint=f"1 to {MOST_UPCOMING}")
        now = self.clock.now() if start is None else start
        zone_name = zone(timezone or self.timezone).key
        schedule = to_schedule(when, now, zone_name)
        owner = policies.get("owner") if self.caller is None else self.caller.owner
        said = with_instants({**self.defaults_of(owner), **policies}, zone_name)
        defined = validated({**said, "text": "preview", "schedule": schedule, "timezone": zone_name})
        return Preview(defined, occurrences(defined, now, count, "preview"))

    def upcoming(self, prompt: ScheduledPrompt, count: int = UPCOMING) -> Occurrences:
        """What a prompt will do next."""
        return coming(prompt, count)

    async def daemons(self) -> Sequence[DaemonInfo]:
        """The daemons that live."""
        self.authority.operators_only("see the daemons")
        return await serving.daemons(self.store)

    async def allowances(self) -> Sequence[Allowance]:
        """The limits that hold for what the caller makes, and how much of each is used; none where none is bound."""
        if self.caller is None:
            return []
        return await allowances(self.store, self.limits, self.caller, await self.authority.acting_prompt())

    # How things stand, and what happens

    async def stats(self) -> Stats:
        """How things stand, in numbers: prompts, fires, lateness, daemons. Costs the same however many there are."""
        self.authority.operators_only("see how everything stands")
        return await read_stats(self.store, self.timezone, self.budgets)

    async def spending(self, *, prompt: str | None = None, owner: str | None = None) -> Spending:
        """What was spent today and in all, and what may be: by one prompt, by an owner, or by everything. Raises
        NotFound, InvalidInput."""
        if prompt is not None:
            found = await self.get(prompt)
            return await spending.of_prompt(self.store, self.budgets, found.id, found)
        if self.caller is not None and (owner is None or owner != self.caller.owner):
            self.authority.operators_only("see what others spend")
        self.authority.require(Scope.READ, "see what was spent")
        if owner is not None:
            return await spending.of_owner(self.store, self.budgets, owner)
        return await spending.of_everything(self.store, self.budgets)

    async def past_events(
        self, *, limit: int = 20, since: Since | None = None, prompt: str | None = None, types: Collection[str] = ()
    ) -> EventPage:
        """The last events, or the first behind `since`, oldest first: of one prompt (by its id or a part of it), of
        some types, or all. Raises InvalidInput, NotFound."""
        if prompt is None:
            self.authority.operators_only("see the events of all prompts; it may name one")
        prompt_id = None if prompt is None else await self.resolve(prompt)
        hidden = self.caller is not None
        if since is None:
            return await last_events(self.store, limit, prompt_id, types, hidden=hidden)
        return await events_since(self.store, since, limit, prompt_id, types, hidden=hidden)

    def events(self, *, since: Since | None = None, prompt: str | None = None, types: Collection[str] = ()) -> Events:
        """Events as they happen, for ever: from now on, or from behind `since`. `prompt` is a whole id.

        Iterating raises StoreUnreachable while the store does not answer, and goes on from where it was when it does.
        An event of type `gap` stands for what was trimmed before it was read. Raises InvalidInput.
        """
        if prompt is None:
            self.authority.operators_only("see the events of all prompts; it may name one")
        self.authority.require(Scope.READ, "see events")
        return Events(self.store, since, prompt, types, only=self.authority.only)

    async def doctor(
        self, *, quick: bool = False, here: bool = False, repair: bool = False, progress: Progress | None = None
    ) -> Sequence[Finding]:
        """Is all well? What each check found, with what would mend it. `quick`: without those that read every record;
        `here`: a daemon of this machine must live; `repair`: mend indexes that disagree with the records."""
        self.authority.operators_only("examine the store")
        return await examine(self.store, quick=quick, here=here, repair=repair, progress=progress)

    async def why_unserved(self, prompt: Definition) -> str | None:
        """Why no live daemon would fire this prompt; None where one would."""
        return await serving.why_unserved(self.store, prompt)

    # Many at once

    async def apply(
        self,
        wanted: Sequence[Wanted],
        *,
        set_name: str,
        owner: str | None = None,
        prune: bool = False,
        dry_run: bool = False,
    ) -> Applied:
        """Make the prompts of an owner what is `wanted`, by their keys; applying again changes nothing. They get the
        label `applied-from`. `prune`: cancel the owner's living prompts with that label that are no longer wanted.

        Raises Refusals (an InvalidInput) with every problem, before anything is written.
        """
        self.authority.operators_only("apply a file")
        return await applying.apply(self, wanted, owner, set_name, prune=prune, dry_run=dry_run)

    def export(
        self,
        *,
        owner: str | None = None,
        platform: str | None = None,
        agent: str | None = None,
        ended: bool = False,
    ) -> AsyncIterator[ScheduledPrompt | Unreadable]:
        """All prompts, newest first, page by page; `ended`: with those that have ended."""
        self.authority.operators_only("export prompts")
        wanted = {"owner": owner, "agent": agent, "platform": platform}
        filters = {field: value for field, value in wanted.items() if value is not None}
        return exporting.export(self.store, filters, ended=ended)

    async def import_prompts(
        self,
        document: object,
        *,
        overdue: exporting.Overdue = "skip",
        dry_run: bool = False,
        progress: exporting.Progress | None = None,
    ) -> Imported:
        """Create the prompts of an export under their own ids; one that is there already is left as it is. What passed
        meanwhile does not fire, unless `overdue` is `fire`: then as after an outage.

        Raises Refusals (an InvalidInput) with every problem, before anything is written.
        """
        self.authority.operators_only("import prompts")
        return await exporting.import_prompts(
            self.store,
            self.limits,
            document,
            overdue=overdue,
            dry_run=dry_run,
            progress=progress,
            by=self.actor,
        )
