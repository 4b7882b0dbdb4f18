"""What may be spent and what was, on the command line, in the settings and in files."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from scheduled_prompts.cli.options import money
from scheduled_prompts.fire import Fire, Result
from scheduled_prompts.money import Usage, plain
from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused


@pytest.mark.parametrize(("text", "amount"), [("2", "2"), ("2.50", "2.5"), (" 0.000001 ", "0.000001"), ("0", "0")])
def test_an_amount_is_a_decimal(text: str, amount: str) -> None:
    assert money(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "-1", "$2", "2 USD", "1e3", "2.", ".5", "0.0000001", "nan", "1_000", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        money(text)


@pytest.mark.parametrize(
    ("amount", "text"), [("2", "2.00"), ("0.0375", "0.0375"), ("1E+3", "1000.00"), ("0.1", "0.10"), ("0", "0.00")]
)
def test_amounts_are_shown_plainly(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text


def test_a_prompts_budgets_are_options_of_add_and_edit(cli: CommandLine) -> None:
    prompt = add(cli, "hi", "every day at 9:00", "--max-cost", "0.50", "--budget-day", "2", "--budget-total", "10")
    shown = cli.json("show", prompt)
    assert [shown[name] for name in ("max_cost", "budget_day", "budget_total")] == ["0.50", "2.00", "10.00"]
    assert shown["spending"]["today"]["limit"] == "2.00"
    told = cli("show", prompt).out
    assert "0.50 USD each time" in told
    assert "0.00 of 2.00 USD spent" in told
    told = cli("edit", prompt, "--force", "--budget-day", "3.25", "--clear", "max-cost").out
    assert "2.00 → 3.25" in told
    assert cli.json("show", prompt)["max_cost"] is None


def test_a_maximum_above_the_budget_is_refused(cli: CommandLine) -> None:
    told = refused(cli("add", "hi", "--when", "in 1h", "--max-cost", "5", "--budget-day", "2"), 2)
    assert "budget_day: one fire may cost 5" in told


def test_settings_and_files_reach_them_too(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "berlin.toml").write_text('[policies]\nmax_cost = 0.1\n[budgets]\ncurrency = "EUR"\nper_day = "5"\n')
    (tmp_path / "prompts.toml").write_text('[prompts.a]\ntext = "hi"\nwhen = "@daily"\nbudget_day = 2.5\n')
    assert cli.json("apply", "prompts.toml")["created"]
    [prompt] = cli.json("list")["items"]
    assert (prompt["max_cost"], prompt["budget_day"]) == ("0.10", "2.50")
    spending = cli.json("stats")["spending"]
    assert (spending["currency"], spending["today"]["limit"], spending["today"]["spent"]) == ("EUR", "5.00", "0.00")
    assert "0.00 of 5.00 EUR spent" in cli("stats").out
    exported = cli.json("export")
    cli.store = "memory:cli-money-2"
    told = cli("import", "-", "--store", cli.store, "--json", stdin=__import__("json").dumps(exported).encode())
    assert told.code == 0
    [prompt] = cli.json("list", "--store", cli.store)["items"]
    assert (prompt["max_cost"], prompt["budget_day"]) == ("0.10", "2.50")


def test_what_a_fire_used_is_told(server_cli: CommandLine) -> None:
    prompt = add(server_cli, "hi", "in 1s", "--max-cost", "0.50")
    fires: list[Fire] = []

    def sell(fire: Fire) -> Result:
        fires.append(fire)
        return Result(text="done", usage=Usage(tokens_in=1200, tokens_out=300, cost=Decimal("0.0375")))

    with server_cli.serving(log=sell):
        fire = server_cli.json("run", prompt, "--wait")
    assert fire["usage"] == {"tokens_in": 1200, "tokens_out": 300, "cost": "0.0375", "currency": "USD"}
    assert fire["cost"] == "0.0375"
    assert "1,200 tokens in, 300 out, 0.0375 USD" in server_cli("fire", "show", fire["id"]).out
    assert "0.0375 USD spent" in server_cli("show", prompt).out
    assert "today 0.0375 USD spent" in server_cli("stats").out


def test_an_edit_tells_amounts_as_people_write_them(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "every 1h", "--max-cost", "0.5", "--budget-day", "2", "--quiet", "none")[
        "prompt"
    ]["id"]
    told = cli("edit", prompt_id, "--force", "--clear", "max-cost", "--clear", "quiet", "--budget-day", "10").out
    assert "max cost    0.50 → none" in told
    assert "budget day  2.00 → 10.00" in told
    assert "quiet       none → default" in told
