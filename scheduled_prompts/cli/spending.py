"""Money as people read it, and as programs do."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.cli.layout import Fields
from scheduled_prompts.fire import Fire
from scheduled_prompts.money import plain
from scheduled_prompts.scheduler.spending import Spending, Spent


def money_fields(spending: Spending) -> Fields:
    """What `show` tells of a prompt's money: nothing, where there is nothing to tell."""
    currency = spending.currency
    return [
        ("today", spent_in_words(spending.today, currency) if spending.today.is_used else ""),
        ("in all", spent_in_words(spending.total, currency) if spending.total.is_used else ""),
    ]


def spent_in_words(spent: Spent, currency: str) -> str:
    """`1.20 of 2.00 USD, 0.50 more reserved, 1,200 tokens in, 300 out`."""
    limit = "" if spent.limit is None else f" of {plain(spent.limit)}"
    parts = [f"{plain(spent.spent)}{limit} {currency} spent"]
    if spent.reserved:
        parts.append(f"{plain(spent.reserved)} more reserved")
    if spent.tokens_in or spent.tokens_out:
        parts.append(f"{spent.tokens_in:,} tokens in, {spent.tokens_out:,} out")
    return ", ".join(parts)


def usage_in_words(fire: Fire, currency: str = "") -> str:
    """What a fire used: `1,200 tokens in, 300 out, 0.0375 USD`."""
    usage, parts = fire.usage, []
    if usage is not None and (usage.tokens_in or usage.tokens_out):
        parts.append(f"{usage.tokens_in:,} tokens in, {usage.tokens_out:,} out")
    if usage is not None and usage.cost is not None:
        parts.append(f"{plain(usage.cost)} {usage.currency or currency}".rstrip())
    if fire.cost is not None and (usage is None or fire.cost != usage.cost):
        parts.append(f"counted as {plain(fire.cost)} {currency}".rstrip())
    return ", ".join(parts)


def spending_view(spending: Spending) -> dict[str, Any]:
    """Amounts are texts, so that they stay exact."""
    return {
        "currency": spending.currency,
        "day": spending.day,
        "today": _spent_view(spending.today),
        "total": _spent_view(spending.total),
    }


def _spent_view(spent: Spent) -> dict[str, Any]:
    return {
        "spent": plain(spent.spent),
        "reserved": plain(spent.reserved),
        "limit": None if spent.limit is None else plain(spent.limit),
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
    }
