"""One pass over what happened, from beginning to end: it fills the books.

Two witnesses are heard: the server (each command that took effect, with its answer) and the runners. Whatever breaks a
rule at the moment it happens is found here: leases, tokens, attempts, what may not be claimed or taken, and limits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from tests.accounting import prompt_of
from tests.simulation.books import Books, Claim, Definition, Hold, Hydration, Instant, Process, Run, Tick
from tests.simulation.plan import KEYS, Plan, is_host
from tests.simulation.trace import Event

HOST_SLOTS = 100
"""A host has the settings that there are without a configuration."""


class Reading:
    """One pass over the events."""

    def __init__(self, plan: Plan, events: list[Event], was_in_contact: Callable[[str, Instant, Instant], str | None]):
        self.books = Books(plan)
        self._was_in_contact = was_in_contact
        """Why a process was not in unbroken contact with the server in a span of time; None where it was."""
        self._held: dict[str, Hold] = {}
        self._ops: set[str] = set()
        self._settled: set[tuple[str, str]] = set()
        self._halted: str | None = None
        self._paused: set[str] = set()
        self._skipped: set[tuple[str, str]] = set()
        self._last_nominal: dict[str, int] = {}
        self._attempts: dict[str, int] = {}
        self._open_runs: dict[tuple[str, int, str], Run] = {}
        self._begun: set[tuple[str, int]] = set()
        self._slots: Counter[str] = Counter()
        self._full_since: dict[str, Instant] = {}
        self._last_settled_run: dict[str, Hold] = {}
        self._open_ticks: dict[tuple[str, int], Tick] = {}
        for event in events:
            read = getattr(self, f"_{event.what}", None)
            if read is not None:
                read(event)

    def _find(self, event: Event, finding: str) -> None:
        self.books.findings.append(f"{event.at:.3f} {event.who}: {finding}")

    def _is_repeated(self, event: Event) -> bool:
        """A command that took effect before: it is answered again, and changes nothing."""
        op = event.facts.get("op", "")
        if op in self._ops:
            return True
        if op:
            self._ops.add(op)
        return False

    # Processes

    def _starts(self, event: Event) -> None:
        self.books.processes[event.who] = Process(event.who, event.at)

    def _leaves(self, event: Event) -> None:
        self._is_over(event, died=False)

    def _dies(self, event: Event) -> None:
        self._is_over(event, died=True)
        for key in [key for key in self._open_runs if key[2] == event.who]:
            run = self._open_runs.pop(key)
            run.ended, run.how = event.at, "died"

    def _is_over(self, event: Event, *, died: bool) -> None:
        process = self.books.processes[event.who]
        process.over, process.died = min(process.over, event.at), died
        self._no_longer_full(event.who, event.at)

    # What hosts call

    def _hydrates(self, event: Event) -> None:
        self.books.hydrations.append(Hydration(event.who, event.at, event.platforms, event.limit))

    def _ticks(self, event: Event) -> None:
        tick = self._open_ticks[event.who, event.call] = Tick(event.who, event.at)
        self.books.ticks.append(tick)

    def _ticked(self, event: Event) -> None:
        self._open_ticks[event.who, event.call].over = event.at

    def _has_no_runner(self, event: Event) -> None:
        self.books.without_runner[event.who].append([event.at, float("inf")])

    def _has_runner(self, event: Event) -> None:
        if away := self.books.without_runner.get(event.who):
            away[-1][1] = event.at

    # What is asked for

    def _save(self, event: Event) -> None:
        if self._is_repeated(event) or event.answer[0] != "created":
            return
        prompt = event.prompt
        doc = json.loads(prompt["doc"])
        self.books.definitions[prompt["id"]].append(Definition(event.server, 1, doc, float(prompt["created_at"])))
        self.books.touched[prompt["id"]].append(event.at)
        self.books.done_by[event.who] = "save"

    def _edit(self, event: Event) -> None:
        if self._is_repeated(event) or event.answer[0] != "edited":
            return
        edit, prompt = event.edit, event.edit["id"]
        self._changed(event, prompt)
        was_rescheduled = edit["next_at"] != ""
        self.books.definitions[prompt].append(
            Definition(event.server, int(event.answer[1]), json.loads(edit["doc"]), event.called, was_rescheduled)
        )
        if was_rescheduled:
            self._skipped = {pair for pair in self._skipped if pair[0] != prompt}

    def _refused(self, event: Event) -> None:
        self.books.refused[event.who] = event.problem

    def _changed(self, event: Event, prompt: str) -> None:
        self.books.done_by[event.who] = event.what
        self.books.touched[prompt].append(event.at)
        if prompt in self.books.cancelled:
            self._find(event, f"cancelled prompt {prompt} was changed by {event.what}")

    def _cancel(self, event: Event) -> None:
        if self._is_repeated(event) or event.answer[0] != "cancelled":
            return
        self._changed(event, event.prompt)
        self.books.cancelled[event.prompt] = event.at

    def _pause(self, event: Event) -> None:
        if self._is_repeated(event) or event.answer[0] != "paused":
            return
        self._changed(event, event.prompt)
        self._paused.add(event.prompt)
        self.books.pauses[event.prompt].append([event.at, float("inf")])

    def _resume(self, event: Event) -> None:
        if self._is_repeated(event) or event.answer[0] != "resumed":
            return
        self._changed(event, event.prompt)
        self._paused.discard(event.prompt)
        pauses = self.books.pauses[event.prompt]
        if pauses and pauses[-1][1] == float("inf"):
            pauses[-1][1] = event.at

    def _skip(self, event: Event) -> None:
        if self._is_repeated(event):
            return
        self.books.touched[event.prompt].append(event.at)
        if event.answer[0] == "done":
            pair = (event.prompt, event.nominal)
            (self._skipped.add if event.mode == "skip" else self._skipped.discard)(pair)

    def _cancel_fire(self, event: Event) -> None:
        if not self._is_repeated(event) and event.answer[0] in ("ended", "asked"):
            self.books.fires_cancelled.setdefault(event.fire, event.at)

    def _halt(self, event: Event) -> None:
        if self._is_repeated(event):
            return
        if event.answer[0] == "stopped":
            self._halted = event.facts["op"]
            self.books.halts.append([event.at, float("inf")])
        elif event.answer[0] == "started":
            self._halted = None
            self.books.halts[-1][1] = event.at

    # What becomes of it

    def _claim(self, event: Event) -> None:
        was_halted = all(answer == "halted" for _, answer in event.items)
        if not was_halted and self._is_repeated(
            event
        ):  # a halt is not remembered: what is repeated may be claimed then
            return
        for item, answer in event.items:
            self.books.answered[answer] += 1
            self.books.tried[item["id"]].append(event.at)
            if answer != "claimed":
                continue
            prompt, fire = item["id"], item["fire"]
            if fire in self.books.claims:
                self._find(event, f"{fire} was claimed twice")
            if self._halted is not None:
                self._find(event, f"{fire} was claimed while all was stopped")
            if prompt in self.books.cancelled:
                self._find(event, f"{fire} was claimed, and its prompt was cancelled")
            if item["trigger"] == "schedule":
                if prompt in self._paused:
                    self._find(event, f"{fire} was claimed, and its prompt was paused")
                if int(item["nominal"]) <= self._last_nominal.get(prompt, -1):
                    self._find(event, f"{fire} was claimed after {self._last_nominal[prompt]}")
                if item["skip"] != "requested" and (prompt, item["nominal"]) in self._skipped:
                    self._find(event, f"{fire} was to be skipped, and was claimed to run")
                self._last_nominal[prompt] = int(item["nominal"])
                if not item["skip"] and int(item["due"]) - event.server > 3_200:
                    self._find(event, f"{fire} was claimed {int(item['due']) - event.server:.0f} ms before it was due")
            self.books.claims[fire] = Claim(event.at, event.who, item)

    def _take(self, event: Event) -> None:
        if self._is_repeated(event):
            return
        for fire, shown in event.fires:
            attempt, prompt = int(shown), prompt_of(fire)
            if fire not in self.books.claims:
                self._find(event, f"{fire} was taken, and nobody claimed it")
                continue
            if fire in self._held:
                self._find(event, f"{fire} was taken while {self._held[fire].who} held it")
            if attempt <= self._attempts.get(fire, 0):
                self._find(event, f"attempt {attempt} of {fire} came after attempt {self._attempts.get(fire, 0)}")
            if self._halted is not None:
                self._find(event, f"{fire} was taken while all was stopped")
            if prompt in self.books.cancelled:
                self._find(event, f"{fire} was taken, and its prompt was cancelled")
            if fire in self.books.fires_cancelled and fire not in self._held:
                self._find(event, f"{fire} was taken, and was cancelled before")
            if prompt in self._paused and self.books.claims[fire].item["trigger"] == "schedule":
                self._find(event, f"{fire} was taken, and its prompt was paused")
            deadline = self.books.claims[fire].item["deadline"]
            if deadline and attempt == 1 and event.server > float(deadline) + 1:
                self._find(event, f"{fire} was taken {event.server - float(deadline):.0f} ms after it was too late")
            self._attempts[fire] = attempt
            hold = Hold(
                fire,
                attempt,
                event.facts["op"],
                event.who,
                event.at,
                event.server,
                event.at,
                event.at - event.server + event.called,
            )
            self._held[fire] = hold
            self.books.holds[fire].append(hold)
            self._count_slot(event)
            self._check_limits(event, fire)

    def _count_slot(self, event: Event) -> None:
        self._slots[event.who] += 1
        slots = HOST_SLOTS if is_host(event.who) else self.books.plan.settings.slots
        if self._slots[event.who] >= slots:
            self._full_since.setdefault(event.who, event.at)

    def _no_longer_full(self, who: str, at: Instant) -> None:
        since = self._full_since.pop(who, None)
        if since is not None:
            self.books.full.append((who, since, at))

    def _check_limits(self, event: Event, fire: str) -> None:
        """Of those that share a limit no more are held than may be; nor of a prompt whose fires do not overlap."""
        claims, item = self.books.claims, self.books.claims[fire].item
        others = [claims[other].item for other in self._held]
        if key := item["concurrency_key"]:
            held = sum(other["concurrency_key"] == key for other in others)
            if held > KEYS[key]:
                self._find(event, f"{fire} is number {held} to run under {key}, which lets {KEYS[key]} run")
        limits = self.books.plan.limits.concurrency
        for kind in ("owner", "platform"):
            most, value = getattr(limits, kind), item[kind]
            held = sum(other[kind] == value for other in others)
            if most is not None and value and held > most:
                self._find(event, f"{fire} is number {held} to run of {kind} {value}, which may have {most}")
        beside = [other for other in self._held if other != fire and prompt_of(other) == prompt_of(fire)]
        if item["trigger"] == "schedule" and item["overlap"] != "allow":
            for other in beside:
                is_manual = claims[other].item["trigger"] == "manual"
                if not is_manual and claims[other].item["overlap"] != "allow":
                    self._find(event, f"{fire} (overlap {item['overlap']}) was taken while {other} was held")

    def _extend(self, event: Event) -> None:
        for fire, token, mark, answer in event.items:
            hold = self._held.get(fire)
            if hold is not None and hold.token == token:
                hold.renewed, hold.renewed_at = event.server, event.at
                if mark and hold.run is None:
                    hold.asked_to_begin = True
                    if answer != "ok":
                        hold.may_not_begin = min(hold.may_not_begin, event.at)
                if answer in ("cancel", "take_back") and hold.run is None:
                    hold.told_to_stop = min(hold.told_to_stop, event.at)
                if answer == "lost":
                    self._find(event, f"{fire} is held, and was not renewed")
            elif answer != "lost":
                self._find(event, f"{fire} was renewed ({answer}) by one who had lost it")

    def _settle(self, event: Event) -> None:
        for fire, token, outcome, reason, answer in event.items:
            hold = self._held.get(fire)
            if hold is not None and hold.token == token:
                if answer != "settled":
                    self._find(event, f"{fire} is held, and its end was refused")
                    continue
                self._release(hold, event, outcome, reason)
                self._settled.add((fire, token))
            elif answer == "settled" and (fire, token) not in self._settled:
                self._find(event, f"{fire} was settled ({outcome}) by one who had lost it")

    def _reap(self, event: Event) -> None:
        if self._is_repeated(event):
            return
        for fire, outcome in event.fires:
            if outcome == "retried":
                continue
            hold = self._held.get(fire)
            if hold is None:
                self._find(event, f"{fire} was reaped ({outcome}), and nobody held it")
                continue
            lease = self.books.plan.settings.lease_ms
            age = event.server - hold.renewed
            if age < lease - 1_100:
                self._find(event, f"{fire} was reaped {age:.0f} ms after it was renewed; a lease is {lease} ms")
            why = self._was_in_contact(event.who, event.at - lease, event.at)
            if why is not None:
                self._find(event, f"{fire} of {hold.who} was reaped by one who was not in contact for a lease: {why}")
            self._release(hold, event, "reaped", outcome)

    def _release(self, hold: Hold, event: Event, end: str, reason: str) -> None:
        hold.until, hold.end, hold.reason = event.at, end, reason
        del self._held[hold.fire]
        self._slots[hold.who] -= 1
        self._no_longer_full(hold.who, event.at)
        run = hold.run
        if end != "reaped" and run is not None and run.ended == float("inf"):
            self._find(event, f"{hold.fire} was settled ({end}) while its runner was at work")

    # What runners say

    def _begins(self, event: Event) -> None:
        fire, attempt = event.fire, event.attempt
        run = Run(fire, attempt, event.who, event)
        if (fire, attempt) in self._begun:
            self._find(event, f"attempt {attempt} of {fire} began twice")
        self._begun.add((fire, attempt))
        self.books.runs[fire].append(run)
        self._open_runs[fire, attempt, event.who] = run
        hold = next((h for h in self.books.holds[fire] if (h.attempt, h.who) == (attempt, event.who)), None)
        if hold is None:
            self._find(event, f"attempt {attempt} of {fire} began without a lease")
            return
        hold.run = run
        if hold.end not in ("held", "reaped"):
            self._find(event, f"attempt {attempt} of {fire} began after it was settled ({hold.end})")

    def _ends(self, event: Event) -> None:
        run = self._open_runs.pop((event.fire, event.attempt, event.who), None)
        if run is not None:
            run.ended, run.how, run.cost = event.at, event.how, event.cost
