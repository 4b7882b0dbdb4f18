"""What became of each fire: it has ended as its runner said, and the accounts say so, too."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.accounting import ENDED, check_accounts, of_kind, prompt_of
from tests.simulation.books import Books, Hold
from tests.simulation.excuses import clock_was_set
from tests.simulation.judging import Checks, Judge
from tests.simulation.occurrences import check_account
from tests.simulation.plan import TICK, is_host

if TYPE_CHECKING:
    from tests.simulation.world import World


BY_A_TICK_MS = TICK * 1000 + 15_000
"""So late what is due may begin where there are only hosts: at a tick, and that spreads it."""


class Endings(Judge):
    """Of fires, money, and the account."""

    def __init__(self, world: World, books: Books) -> None:
        super().__init__(world, books)
        self.keys = world.keys
        self.fires: dict[str, dict[str, str]] = of_kind(world.keys, "fire")
        self.end = world.now_ms

    def checks(self) -> Checks:
        return (
            self.accounts_add_up,
            self.everything_has_ended,
            self.ends_are_what_the_runner_said,
            self.ends_that_are_not_well_have_their_reason,
            self.retried_when_it_was_to_be,
            self.nobody_is_told_no_for_what_was_done,
            self.money_adds_up,
            self.accounted_for,
        )

    def accounts_add_up(self) -> None:
        check_accounts(self.keys, self.world.lifetimes)

    def everything_has_ended(self) -> None:
        """The calm was long enough for all that was due before it."""
        before = self.end - (60_000 if self.world.plan.daemons else 60_000 + BY_A_TICK_MS)
        for fire, stored in self.fires.items():
            if stored["status"] in ENDED or float(stored["due"]) > before:
                continue
            if stored["status"] == "retrying" and float(stored["retry_at"]) > before:
                continue
            self.find(f"{fire} was due {stored['due']} and is {stored['status']} ({stored.get('reason')}) in the end")
        for platform, prompts in of_kind(self.keys, "due").items():
            for prompt, due in prompts:
                if due < before:
                    self.find(
                        f"{prompt} (of {platform}) was due {due:.0f} and is due still, {self.end - due:.0f} ms later"
                    )

    def ends_are_what_the_runner_said(self) -> None:
        for fire, stored in self.fires.items():
            holds = self.books.holds.get(fire, [])
            last = holds[-1] if holds else None
            status = stored["status"]
            if int(stored["attempt"]) != (last.attempt if last else 0):
                self.find(f"{fire} says attempt {stored['attempt']}; it was taken with {last and last.attempt} last")
            if status == "succeeded":
                text = json.loads(stored["result"]).get("text") if stored.get("result") else None
                if last is None or last.end != "succeeded" or last.run is None or last.run.how != "ok":
                    self.find(f"{fire} has succeeded, and its last attempt did not: {last}")
                elif text != self._said(last):
                    self.find(f"{fire} has the result {text!r}, and its last attempt was {last.attempt}")
            elif last is not None and last.end == "succeeded":
                self.find(f"{fire} is {status}, and its last attempt succeeded")
        self._nothing_is_gone()

    def _said(self, hold: Hold) -> str | None:
        """What its runner answered. What is no answer a host takes for none."""
        is_none = hold.run is not None and hold.run.began.mood == "nonsense" and is_host(hold.who)
        return None if is_none else f"{hold.fire}#{hold.attempt}"

    def _nothing_is_gone(self) -> None:
        gone = {fire for fire in self.books.claims if fire not in self.fires}
        if gone and self.world.plan.keeps_all:
            self.find(f"{len(gone)} fires were claimed and are nowhere: {sorted(gone)[:3]}")

    def ends_that_are_not_well_have_their_reason(self) -> None:
        for fire, stored in self.fires.items():
            wrong = self._unfounded(fire, stored["status"], stored.get("reason", ""))
            if wrong is not None:
                self.find(f"{fire} is {stored['status']} ({stored.get('reason', '')}): {wrong}")

    def _unfounded(self, fire: str, status: str, reason: str) -> str | None:
        """Why a fire ought not to have ended so; None where it ought to, or that is not judged here."""
        holds = self.books.holds.get(fire, [])
        claim = self.books.claims.get(fire)
        if claim is None or status not in ("failed", "timed_out", "interrupted"):
            return None
        definition = self.books.definition(prompt_of(fire), int(claim.item["version"]))
        if definition is None:
            return "nobody knows what it was"
        once = claim.item["on_crash"] == "interrupt"
        retried, retries = sum(hold.end == "retrying" for hold in holds), definition.doc.get("retries", 4)
        crashes = sum(hold.end == "reaped" for hold in holds)
        run = holds[-1].run if holds else None
        match status, reason:
            case "failed", "crashed":
                most = self.world.plan.settings.max_crashes
                return None if crashes == most else f"it lost {crashes} daemons, and may lose {most}"
            case "failed", "permanent":
                final = run is not None and run.began.mood in ("give up", "nonsense")
                return None if final else "its runner did not say so"
            case "interrupted", "crashed" | "stopped":
                return None if once else "it was to be run again"
            case "failed", "superseded":
                tried = self.books.tried[prompt_of(fire)]
                gave_way = retried > 0 and any(at >= holds[-1].until for at in tried)
                return None if gave_way else "it did not give way to a later one"
            case _, "paused":
                return None if self._may_be_paused(prompt_of(fire)) else "nobody paused its prompt"
            case (("failed" | "timed_out"), ""):
                may_end = retried >= retries or (status == "timed_out" and once)
                return None if may_end else f"it was retried {retried} times of {retries}"
        return "nothing leads to this here"

    def _may_be_paused(self, prompt: str) -> bool:
        """By a client, or for having failed too often."""
        by_failures = any(one.doc.get("pause_after", 5) for one in self.books.definitions[prompt])
        return by_failures or bool(self.books.pauses.get(prompt))

    def retried_when_it_was_to_be(self) -> None:
        """No attempt before its delay is over, nor more than the prompt's retries."""
        for fire, holds in self.books.holds.items():
            definition = self.books.definition(prompt_of(fire), int(self.books.claims[fire].item["version"]))
            if definition is None:
                continue
            policies = definition.doc
            failures = 0
            for before, after in pairwise(holds):
                if before.end != "retrying":
                    continue
                delays = policies.get("retry_delays", [120.0])
                delay = delays[min(failures, len(delays) - 1)] * (1 - policies.get("retry_jitter", 0.25))
                failures += 1
                if failures > policies.get("retries", 4):
                    self.find(f"attempt {after.attempt} of {fire} is retry number {failures}")
                asked_for = before.run is not None and before.run.began.mood == "ask for a retry"
                waited = after.since - (before.until if before.run is None else before.run.ended)
                was_set = clock_was_set(self.world, before.until, after.since)
                if not asked_for and waited < delay * 1000 - 100 and not was_set:
                    self.find(f"attempt {after.attempt} of {fire} came {waited:.0f} ms after the one before failed")
            crashes = sum(hold.end == "reaped" for hold in holds)
            if crashes > self.world.plan.settings.max_crashes:
                self.find(f"{fire} lost {crashes} daemons")

    def nobody_is_told_no_for_what_was_done(self) -> None:
        """A client whose answer was lost, and who asks again, hears what it did."""
        for who, problem in self.books.refused.items():
            if who in self.books.done_by:
                self.find(f"{who} was refused ({problem}), and had done it: {self.books.done_by[who]}")

    def money_adds_up(self) -> None:
        budgets = self.world.plan.budgets
        spent: Counter[str] = Counter()
        for fire, stored in self.fires.items():
            said = sum(h.run.cost for h in self.books.holds.get(fire, []) if h.run and h.end not in ("reaped", "held"))
            if int(stored.get("cost", 0)) != said and "cost" in stored:
                self.find(f"{fire} has cost {stored['cost']}, and its attempts said {said}")
            counted = int(stored.get("cost", 0)) + int(stored.get("assumed", 0))
            for scope in ("all", f"prompt:{prompt_of(fire)}", f"owner:{stored.get('owner', '')}"):
                spent[scope] += counted
        for scope, stored in of_kind(self.keys, "spend").items():
            if self.world.plan.keeps_all and int(stored.get("spent", 0)) != spent[scope]:
                self.find(f"spend:{scope} says {stored.get('spent')}, and its fires {spent[scope]}")
            if scope.startswith("owner:") and budgets.owner_per_day is not None:
                most, of_today = int(budgets.owner_per_day * 1_000_000), int(stored.get("day_spent", 0))
                if of_today > most:
                    self.find(f"spend:{scope} is {of_today} today, and may be {most}")

    def accounted_for(self) -> None:
        untold = of_kind(self.keys, "prompt").keys() - self.world.explained.keys()
        if untold:
            self.find(f"nothing was explained of {len(untold)} prompts: {sorted(untold)[:3]}")
        for prompt, explained in self.world.explained.items():
            for finding in check_account(self.world, self.books, prompt, explained):
                self.find(finding)
