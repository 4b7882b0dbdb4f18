"""What a claim is asked for with, made of a prompt as it was read."""

from __future__ import annotations

from typing import Literal

from scheduled_prompts.money import to_micro
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.store.acting import By, actor_of
from scheduled_prompts.store.records import ClaimItem


def manual_claim(prompt: ScheduledPrompt, fire_id: str, now: int, *, rerun_of: str = "", by: By = "") -> ClaimItem:
    """What claims a manual run: `nominal` and `due` are now."""
    item = claim_item(prompt, fire_id, "manual", nominal=now, due=now)
    item["rerun_of"] = rerun_of
    item["who"] = actor_of(by).fields()
    return item


def claim_item(
    prompt: ScheduledPrompt, fire_id: str, trigger: Literal["schedule", "manual"], *, nominal: int, due: int
) -> ClaimItem:
    """A claim that leaves what is next as it is."""
    item: ClaimItem = {
        "id": prompt.id,
        "trigger": trigger,
        "version": str(prompt.version),
        "seq": str(prompt.seq),
        "status": prompt.status,
        "fire": fire_id,
        "nominal": str(nominal),
        "due": str(due),
        "platform": prompt.platform,
        "runner": prompt.runner,
        "priority": str(prompt.priority_of(trigger)),
        "on_crash": prompt.on_crash,
        "owner": prompt.owner or "",
        "agent": prompt.agent or "",
        "conversation": prompt.conversation or "",
        "overlap": prompt.overlap if trigger == "schedule" else "allow",
        "queue_limit": prompt.queue_limit,
        "concurrency_key": prompt.concurrency_key or "",
        "concurrency": prompt.concurrency,
        "deep": False,
        "deadline": "",
        "money": _money(prompt),
        "skip": "",
        "next_nominal": "",
        "next_at": "",
        "next_status": "",
        "missed_from": "",
        "missed_until": "",
        "quiet_from": "",
        "skips": "",
        "max_fires": "",
        "announce": False,
        "in_turn": False,
        "rerun_of": "",
    }
    if prompt.lineage:
        item["tree"] = prompt.root
    return item


def _money(prompt: ScheduledPrompt) -> dict[str, str]:
    amounts = {name: getattr(prompt, name) for name in ("max_cost", "budget_day", "budget_total")}
    said = {name: str(to_micro(amount)) for name, amount in amounts.items() if amount is not None}
    return said | ({"owner": prompt.owner} if prompt.owner else {})
