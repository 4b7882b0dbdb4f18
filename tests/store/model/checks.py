"""What is compared after each step: each record with the model's, and whether all indexes add up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis.stateful import invariant

from tests.accounting import check_accounts, of_kind
from tests.store.model.rates import DAY
from tests.store.model.records import ModelFire, ModelPrompt
from tests.store.model.steps import Steps
from tests.store.steps import EVERYTHING


class Checks(Steps):
    def teardown(self) -> None:
        try:
            self.space.check_accounts()
        finally:
            super().teardown()

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        self._forget_answers()
        keys = self.space.keys()
        check_accounts(keys)
        prompts = {prompt: _prompt(stored) for prompt, stored in of_kind(keys, "prompt").items()}
        assert prompts == {prompt: _known_prompt(known) for prompt, known in self.model.prompts.items()}
        fires = {fire: _fire(stored) for fire, stored in of_kind(keys, "fire").items()}
        assert fires == {fire.id: _known_fire(fire) for fire in self.model.fires.values()}
        spent = {scope: _spent(stored) for scope, stored in of_kind(keys, "spend").items()}
        assert spent == {scope: self._known_spent(scope) for scope in self.model.latest}
        now = self.now()
        began = {cap: _since(stored, now - DAY) for cap, stored in of_kind(keys, "rate").items()}
        known = {cap: self.model.began_lately(cap, now) for cap in self.model.began}
        assert _without_empty(began) == _without_empty(known)
        turns = {cap: dict(stored) for cap, stored in of_kind(keys, "turns").items()}
        assert turns == _without_empty(self.model.turns)
        assert ("halted" in keys["meta"]) == self.model.is_halted

    def _known_spent(self, scope: str) -> dict[str, int | str]:
        model, day = self.model, self.model.latest[scope]
        return {
            "spent": model.spent[scope],
            "reserved": model.reserved(scope),
            "tokens_in": model.tokens[scope],
            "day": day,
            "day_spent": model.spent_on[scope, day],
            "day_reserved": model.reserved(scope, day),
        }

    def _forget_answers(self) -> None:
        """Reading all that was kept for repetitions, and all events, takes most of the time."""
        pattern = self.space.prefix.replace("{", "\\{") + "op:*"
        answers = self.space.inspector.scan_iter(match=pattern, count=1000)
        self.space.inspector.delete(self.space.prefix + "events", *answers)

    @invariant()
    def who_is_parked_will_be_woken(self) -> None:
        assert self.model.never_woken() == []

    @invariant()
    def a_look_sees_what_is_there(self) -> None:
        now = self.now()
        seen = self.run(self.store.look(overdue=now, serves=EVERYTHING))
        by_status: dict[str, list[ModelFire]] = {"running": [], "retrying": []}
        for fire in self.model.fires.values():
            by_status.setdefault(fire.status, []).append(fire)
        assert seen.ready == len(self.model.ready(EVERYTHING))
        assert seen.first_lease == min((fire.expiry for fire in by_status["running"]), default=None)
        assert seen.first_retry == min((fire.retry_at for fire in by_status["retrying"]), default=None)
        overdue = {
            prompt: known.next_at
            for prompt, known in self.model.prompts.items()
            if known.is_armed and known.next_at is not None and known.next_at <= now
        }
        expected = {} if self.model.is_halted else overdue
        assert {prompt: due for prompt, due, _ in seen.overdue} == expected


def _prompt(stored: dict[str, str]) -> tuple[Any, ...]:
    skips = {int(skip) for skip in json.loads(stored.get("skips", "[]"))}
    return (
        *(stored[name] for name in ("status", "version", "seq", "next_at")),
        stored.get("failures", "0"),
        skips,
    )


def _known_prompt(known: ModelPrompt) -> tuple[Any, ...]:
    moving = (known.version, known.seq, "" if known.next_at is None else known.next_at)
    return (known.status, *map(str, moving), str(known.failures), known.skips)


COUNTERS = ("attempt", "crashes", "failures", "cost", "assumed")


def _fire(stored: dict[str, str]) -> dict[str, Any]:
    named = {name: stored.get(name, "") for name in ("status", "reason", "cancel", "parked", "woken", "slots", "turns")}
    return {
        **named,
        **{name: int(stored.get(name, 0)) for name in COUNTERS},
        "turn": int(stored.get("turn", stored["due"])),
        "token": stored.get("token"),
        "reserved": int(stored["reserved"]) if "reserved" in stored else None,
    }


def _known_fire(fire: ModelFire) -> dict[str, Any]:
    return {
        "status": fire.status,
        "reason": fire.reason,
        "cancel": fire.cancel,
        "parked": fire.parked or "",
        "woken": fire.woken or "",
        "slots": " ".join(fire.slots),
        "turns": " ".join(fire.turns),
        **{name: getattr(fire, name) for name in COUNTERS},
        "turn": fire.turn,
        "token": fire.token,
        "reserved": fire.reserved,
    }


def _spent(stored: dict[str, str]) -> dict[str, int | str]:
    sums = {name: int(stored.get(name, 0)) for name in ("spent", "reserved", "tokens_in", "day_spent", "day_reserved")}
    return {**sums, "day": stored["day"]}


def _since(stored: list[tuple[str, float]], at: int) -> dict[str, float]:
    return {member: score for member, score in stored if score > at}


def _without_empty(found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: value for name, value in found.items() if value}
