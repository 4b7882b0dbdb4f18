"""Where settings come from, and what is said of those that cannot be used."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from scheduled_prompts.budgets import OwnerBudget
from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.settings import EngineSettings, Settings, load_settings

FILE = "scheduled-prompts.toml"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("SCHEDULED_PROMPTS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = FILE) -> Path:
    path = Path(name)
    path.write_text(text, "utf-8")
    return path


def problem(config: str | Path | None = None) -> str:
    with pytest.raises(InvalidConfig) as caught:
        load_settings(config)
    assert (caught.value.code, caught.value.exit_code) == ("invalid_config", 2)
    return caught.value.message


def test_without_a_file_and_variables_all_is_default() -> None:
    assert load_settings() == Settings()
    assert (Settings().store, Settings().runner, Settings().engine.slots) == ("embedded:", "log", 100)


def test_the_file_in_the_working_directory_is_read() -> None:
    write('store = "redis://there"\n[engine]\nslots = 7\n[runners.echo]\nkind = "command"\nargv = ["cat"]\n')
    settings = load_settings()
    assert (settings.store, settings.engine.slots) == ("redis://there", 7)
    assert settings.runners == {"echo": {"kind": "command", "argv": ["cat"]}}


def test_another_file_is_read_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write('store = "redis://default"')
    write('store = "redis://named"', "named.toml")
    write('store = "redis://variable"', "variable.toml")
    monkeypatch.setenv("SCHEDULED_PROMPTS_CONFIG", "variable.toml")
    assert load_settings().store == "redis://variable"
    assert load_settings("named.toml").store == "redis://named"


def test_the_environment_goes_before_the_file_one_setting_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    write('store = "redis://file"\nnamespace = "file"\n[engine]\nslots = 3\nlease = 20\n')
    monkeypatch.setenv("SCHEDULED_PROMPTS_STORE", "redis://environment")
    monkeypatch.setenv("SCHEDULED_PROMPTS_ENGINE__SLOTS", "5")
    settings = load_settings()
    assert (settings.store, settings.namespace) == ("redis://environment", "file")
    assert (settings.engine.slots, settings.engine.lease) == (5, 20)


def test_lists_and_tables_are_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULED_PROMPTS_ENGINE__PLATFORMS", '["telegram", "slack"]')
    monkeypatch.setenv("SCHEDULED_PROMPTS_RUNNERS", '{"echo": {"kind": "command", "argv": ["cat"]}}')
    settings = load_settings()
    assert settings.engine.platforms == ("telegram", "slack")
    assert settings.runners["echo"]["argv"] == ["cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slots = 3", f"{FILE}, slots: there is no such setting"),
        ("[engine]\nslts = 3", f"{FILE}, engine.slts: there is no such setting"),
        ("[engine]\nslots = 0", f"{FILE}, engine.slots: it should be greater than or equal to 1 (it is 0)"),
        ("[engine]\nlease = inf", f"{FILE}, engine.lease: it should be a finite number (it is inf)"),
        ("[engine]\nsweep_period = nan", f"{FILE}, engine.sweep_period: it should be"),
        ("store = 5", f"{FILE}, store: it should be a valid string (it is 5)"),
        ("engine = 5", f"{FILE}, engine: it should be a valid dictionary"),
        ('log_level = "loud"', f"{FILE}, log_level: it should be 'debug', 'info', 'warning' or 'error'"),
        ('[policies]\nquiet = "z"', f"{FILE}, policies.quiet: 'z' is no time of day from–to, such as 22:00-07:00"),
        ('[runners."a b"]\nkind = "log"', f"{FILE}, runners.a b"),
        ("[engine", f"{FILE} is not valid TOML: Expected ']'"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_place_and_value(text: str, message: str) -> None:
    write(text)
    assert message in problem()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SCHEDULED_PROMPTS_ENGINE__SLOTS", "many", "it should be a valid integer"),
        ("SCHEDULED_PROMPTS_ENGINE__SLTS", "5", "there is no such setting"),
        ("SCHEDULED_PROMPTS_ENGINE__PLATFORMS", "telegram", "it should be a valid tuple (it is 'telegram')"),
        ("SCHEDULED_PROMPTS_ENGINE__PLATFORMS", '["a b"]', "'a b' may not contain blanks"),
        ("SCHEDULED_PROMPTS_RUNNERS", '{"a": 7}', "it should be a valid dictionary (it is 7)"),
        ("SCHEDULED_PROMPTS_ENGINE", "{", "JSON is expected (it is '{')"),
        ("SCHEDULED_PROMPTS_LOG_LEVEL", "loud", "(it is 'loud')"),
        ("scheduled_prompts_log_level", "loud", "(it is 'loud')"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said_with_its_variable_and_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    found = problem()
    assert found.startswith(f"{variable}: ")
    assert message in found
    assert FILE not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[runner.echo]\nkind = 'command'", "runner: it should be a name (did you mean [runners.echo]?)"),
        (
            "[runner]\nkind = 'webhook'\nurl = 'x'\nheaders = {a = 'b'}",
            "runner: it should be a name (did you mean [runners.<name>]?)",
        ),
        ("runner = {}", "runner: it should be a name (did you mean [runners.<name>]?)"),
        ("timezne = 'UTC'", "timezne: there is no such setting (did you mean 'timezone'?)"),
        ("[engine]\nslotz = 1", "engine.slotz: there is no such setting (did you mean 'engine.slots'?)"),
        ("[policies]\nretris = 1", "policies.retris: there is no such setting (did you mean 'policies.retries'?)"),
        ("[limits]\nmin_intervall = 1", "(did you mean 'limits.min_interval'?)"),
        ("[budgets.owners.ann]\nper_dya = 1", "(did you mean 'budgets.owners.ann.per_day'?)"),
        ("[limits.concurrency]\nplatfroms = 1", "(did you mean 'limits.concurrency.platforms'?)"),
        ("slots = 3", "slots: there is no such setting (did you mean 'engine.slots'?)"),
        ("[policies]\ntimezone = 'UTC'", "policies.timezone: there is no such setting (did you mean 'timezone'?)"),
        ("[policies]\nrunner = 'log'", "policies.runner: there is no such setting (did you mean 'runner'?)"),
        ("[engine]\nmisfire = 'all'", "engine.misfire: there is no such setting (did you mean 'policies.misfire'?)"),
        ("[engine]\nmax_fires = 3", "(did you mean 'policies.max_fires'?)"),
        ("[engine]\nzebra = 3", "engine.zebra: there is no such setting"),
        ("[zebra]\nx = 3", "zebra: there is no such setting"),
        ("[policies]\ntimeout = '10m'", "policies.timeout: it should be a number of seconds: 600, not '10m'"),
        ("[policies]\nretry_delays = ['1m30s']", "policies.retry_delays.0: it should be a number of seconds: 90, not"),
        ("[engine]\nlease = '60s'", "engine.lease: it should be a number of seconds: 60, not '60s'"),
        ("[engine]\nlease = 'long'", "engine.lease: it should be a number of seconds (it is 'long')"),
        ("[engine]\nretention_days = '4w'", "engine.retention_days: it should be a number of days (it is '4w')"),
        ("[engine]\nretention_days = '36h'", "engine.retention_days: it should be a number of days: 1.5, not '36h'"),
        ("[policies]\nretry_factor = '2x'", "policies.retry_factor: it should be a number (it is '2x')"),
        ("[policies]\nretry_factor = '2m'", "policies.retry_factor: it should be a number (it is '2m')"),
        ("[engine]\nslots = 'many'", "engine.slots: it should be a valid integer (it is 'many')"),
        ('namespace = "a:b"', "namespace: 'a:b' may not contain blanks, control characters, or any of / : { }"),
        ('namespace = ""', "namespace: it may not be empty"),
        ("[budgets]\ncurrency = 'Euro'", "budgets.currency: 'Euro' is no currency such as USD or EUR"),
        ("[policies]\nretry_on = ['a-b']", "policies.retry_on.0: 'a-b' is no name of an exception"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_in_words_with_what_would_be_right(text: str, message: str) -> None:
    write(text)
    assert message in problem()
    assert "pattern" not in problem()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ENGINE__SLOTZ", "3", "there is no such setting (did you mean SCHEDULED_PROMPTS_ENGINE__SLOTS?)"),
        ("ENGINE__MISFIRE", "all", "there is no such setting (did you mean SCHEDULED_PROMPTS_POLICIES__MISFIRE?)"),
        ("ENGINE", '{"slotz": 3}', "there is no setting 'engine.slotz' (did you mean 'engine.slots'?)"),
        ("POLICIES__TIMEOUT", "10m", "it should be a number of seconds: 600, not '10m'"),
    ],
)
def test_a_variable_is_hinted_at_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"SCHEDULED_PROMPTS_{variable}", value)
    assert problem() == f"SCHEDULED_PROMPTS_{variable}: {message}"


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[engine]\nslots = 0\n")
    monkeypatch.setenv("SCHEDULED_PROMPTS_ENGINE__DRAIN", "-1")
    found = problem()
    assert f"{FILE}, engine.slots" in found
    assert "SCHEDULED_PROMPTS_ENGINE__DRAIN" in found


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem("nowhere.toml") == "there is no config file 'nowhere.toml'"
    monkeypatch.setenv("SCHEDULED_PROMPTS_CONFIG", "/no/where.toml")
    assert problem() == "there is no config file '/no/where.toml'"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert problem().startswith(f"{FILE} cannot be read: ")
    (tmp_path / "latin.toml").write_bytes(b'store = "\xe4"')
    assert problem("latin.toml").startswith("latin.toml cannot be read: ")


def test_variables_that_commands_are_given_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a daemon runs may call this program itself."""
    monkeypatch.setenv("SCHEDULED_PROMPTS_FIRE_ID", "x")
    monkeypatch.setenv("SCHEDULED_PROMPTS_FIRE_FILE", "/tmp/x")
    assert load_settings() == Settings()


def test_leases_are_renewed_four_times() -> None:
    settings = EngineSettings(lease=20)
    assert (settings.lease_ms, settings.renewal_period) == (20_000, 5)


def test_what_is_said_of_limits_goes_before_their_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    def limits() -> tuple[int, int, int, float]:
        said = load_settings().limits
        return said.active_per_owner, said.fires_per_owner, said.fires_per_conversation, said.min_interval

    assert limits() == (10, 0, 0, 60)
    write('[limits]\nprofile = "agents"\n')
    assert limits() == (10, 100, 24, 60)
    write('[limits]\nprofile = "agents"\nfires_per_owner = 7\nmin_interval = 0\nactive_per_owner = 3\n')
    assert limits() == (3, 7, 24, 0)
    monkeypatch.setenv("SCHEDULED_PROMPTS_LIMITS__FIRES_PER_CONVERSATION", "5")
    assert limits() == (3, 7, 5, 0)
    write('[limits]\nprofile = "robots"\n')
    assert "limits.profile" in problem()
    write("[limits]\nactive_per_owner = -1\n")
    assert "limits.active_per_owner" in problem()


def test_budgets_come_from_the_file_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[budgets]\nper_day = 20\nowner_total = "2.50"\n[budgets.owners.ann]\nper_day = 0.1\n')
    monkeypatch.setenv("SCHEDULED_PROMPTS_BUDGETS__TOTAL", "99.5")
    budgets = load_settings().budgets
    assert (budgets.per_day, budgets.total, budgets.owner_total) == (Decimal(20), Decimal("99.5"), Decimal("2.50"))
    assert budgets.of_owner("ann") == OwnerBudget(per_day=Decimal("0.1"), total=Decimal("2.5"))
    assert budgets.of_owner("bob") == OwnerBudget(total=Decimal("2.5"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("per_day = -1", "budgets.per_day"),
        ("per_day = 0.0000001", "budgets.per_day"),
        ('currency = "dollars"', "budgets.currency"),
        ('timezone = "Mars"', "budgets.timezone"),
        ("weekly = 5", "there is no such setting"),
    ],
)
def test_a_budget_that_is_none_is_refused(line: str, words: str) -> None:
    write(f"[budgets]\n{line}\n")
    assert words in problem()
