"""What people see: lines that fit, times with their offset, nothing that steers the terminal."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from scheduled_prompts.cli.output import visible
from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Permanent
from tests.cli.cli_driver import CommandLine

ANSI = re.compile(r"\x1b\[[0-9;]*m")
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? [+-]\d\d:\d\d")

Terminal = Callable[[int], None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes stdout a terminal of some width."""

    def become(columns: int) -> None:
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
        monkeypatch.setenv("TERM", "xterm-256color")

    return become


def some_prompts(cli: CommandLine) -> list[str]:
    """Ids of: a recurring one with a long text, a named one-shot, one that failed, one that succeeded."""
    texts = ["summarise " * 20, "one", "break", "say\nhello"]
    ids = [
        cli.json("add", text, "--when", when, *more)["prompt"]["id"]
        for text, when, more in zip(
            texts,
            ["every monday and thursday at 18:30", "in 3h", "every 2h", "every 2h"],
            [(), ("--name", "三つの窓 and a name that goes on and on and on and on"), (), ()],
            strict=True,
        )
    ]
    for prompt_id in ids[2:]:
        cli.json("run", prompt_id)
    ended: list[str] = []

    def work(fire: Fire) -> str:
        ended.append(fire.id)
        if fire.text == "break":
            raise Permanent("it broke\nbadly")
        return "Hello\nthere"

    cli.serve(work, lambda: len(ended) == 2)
    return ids


def test_an_empty_list_says_what_to_do(cli: CommandLine) -> None:
    assert "scheduled-prompts add 'say hello' --when 'in 10s'" in cli("list").out
    assert cli("list", "--owner", "anna").out == "no prompts match\n"


def test_a_list_in_a_pipe_has_one_whole_line_a_prompt(cli: CommandLine) -> None:
    ids = some_prompts(cli)
    out = cli("list").out
    lines = out.splitlines()
    assert len(lines) == 5
    assert [line.split()[0] for line in lines[1:]] == [prompt_id[-8:] for prompt_id in reversed(ids)]
    assert "\x1b" not in out
    assert len(INSTANT.findall(out)) == 4
    assert all(line == line.rstrip() for line in lines)
    assert "succeeded" in lines[1]
    assert "failed" in lines[2]


def test_a_list_fits_the_terminal(cli: CommandLine, terminal: Terminal) -> None:
    some_prompts(cli)
    for columns in (80, 100, 140):
        terminal(columns)
        out = cli("list").out
        plain = ANSI.sub("", out)
        assert out != plain, "a terminal shows colours"
        assert all(cell_len(line) <= columns for line in plain.splitlines())
        assert len(INSTANT.findall(plain)) == 4
        assert "…" in plain


def test_history_fits_the_terminal(cli: CommandLine, terminal: Terminal) -> None:
    ids = some_prompts(cli)
    terminal(80)
    failed = ANSI.sub("", cli("history", ids[2]).out).splitlines()
    assert re.fullmatch(rf"{INSTANT.pattern}  failed  +\d+ ms  +\d+ ms  +1 +manual, permanent", failed[1])
    assert re.fullmatch(rf"  {ids[2][-8:]}\+[0-9A-Z]{{8}}  it broke …", failed[2])
    assert ANSI.sub("", cli("history", ids[3]).out).splitlines()[2].endswith("  Hello …")


def test_all_screens_fit_the_terminal(cli: CommandLine, terminal: Terminal) -> None:
    ids = some_prompts(cli)
    cli("pause", ids[0], "--note", "a note that goes on " * 10)
    cli("edit", ids[2], "--force", "--text", "break it again", "--timeout", "5m")
    cli("skip", ids[2], "next")
    for columns in (80, 120):
        terminal(columns)
        for words in (("list",), ("show", ids[0]), ("show", ids[2]), ("history", ids[2]), ("fire", "show", ids[2])):
            lines = ANSI.sub("", cli(*words).out).splitlines()
            assert all(cell_len(line) <= columns for line in lines), words
            assert all(line == line.rstrip() for line in lines), words
    shown = ANSI.sub("", cli("show", ids[2]).out)
    assert re.search(rf" +{INSTANT.pattern}  edited +text and timeout\n", shown)
    assert re.search(rf" +{INSTANT.pattern}  failed +manual, permanent: it broke …\n", shown)


def test_history_in_a_pipe_has_one_line_a_fire(cli: CommandLine) -> None:
    ids = some_prompts(cli)
    [titles, fire] = cli("history", ids[3]).out.splitlines()
    assert titles.split()[:4] == ["TIME", "STATUS", "LATE", "TOOK"]
    assert fire.endswith("Hello …")


def test_no_colour_is_respected(cli: CommandLine, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("add", "x", "--when", "in 1h")
    terminal(80)
    assert "\x1b" in cli("list").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in cli("list").out


def test_a_page_says_how_to_go_on(cli: CommandLine) -> None:
    some_prompts(cli)
    last = cli("list", "--limit", "2").out.splitlines()[-1]
    _, *words = shlex.split(last.removeprefix("there are more: "))  # the first is the command, as it can be typed here
    assert len(cli(*words).out.splitlines()) == 3


def test_show_tells_all(cli: CommandLine) -> None:
    prompt_id = cli.json(
        *("add", "line one\nline two", "--when", "every weekday at 9:00", "--tz", "Europe/Berlin", "--owner", "anna"),
        *("--label", "team=ops", "--retries", "0", "--jitter", "10m", "--timeout", "90s"),
    )["prompt"]["id"]
    out = cli("show", prompt_id).out
    for line in (
        f"{prompt_id[-8:]}: line one line two",
        "  text      line one",
        "            line two",
        "  when      every weekday at 09:00 Europe/Berlin",
        "  jitter    up to 10 min",
        "  owner     anna",
        "  labels    team=ops",
        "  timeout   1 min 30 s",
        "  retries   none",
        f"  id        {prompt_id}",
    ):
        assert line in out.splitlines()
    assert len(INSTANT.findall(out)) == 6, "five to come, and when it was made"


def test_add_shows_when_it_will_fire_and_warns(cli: CommandLine) -> None:
    answer = cli("add", "say hello", "--when", "every weekday at 9:00", "--runner", "nobody")
    assert re.match(r"scheduled [0-9A-Z]{8}: say hello\n  when    every weekday at 09:00", answer.out)
    assert len(INSTANT.findall(answer.out)) == 5
    assert "warning: memory: is forgotten" in answer.err


def test_a_prompt_that_has_not_fired_says_when_it_will(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "in 3h")["prompt"]["id"]
    assert "x has not fired yet: in 3 h, " in cli("history", prompt_id).out
    assert "cancelled" in cli("cancel", prompt_id).out
    assert cli("history", prompt_id).out.endswith("x has not fired: it is cancelled\n")


def test_preview_shows_words_and_times(cli: CommandLine) -> None:
    out = cli("preview", "0 9 * * 1-5", "--tz", "Europe/Berlin", "--count", "2").out
    assert out.splitlines()[0] == "every weekday at 09:00 Europe/Berlin"
    assert len(INSTANT.findall(out)) == 2
    assert "at random" in cli("preview", "3 times between 09:00 and 17:00").out


def test_other_peoples_words_are_shown_not_obeyed(cli: CommandLine) -> None:
    evil = "\x1b[2J\x1b]0;title\x07 [bold]not markup[/bold] \u202egnp.exe \x9b31m"
    prompt_id = cli.json("add", evil, "--when", "every 2h", "--name", evil)["prompt"]["id"]
    cli.json("run", prompt_id)
    done: list[int] = []
    cli.serve(lambda fire: done.append(1) or evil, lambda: bool(done))  # type: ignore[func-returns-value]
    for words in (("list",), ("show", prompt_id), ("history", prompt_id), ("cancel", prompt_id)):
        out = cli(*words).out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)
        assert "[bold]not markup[/bold]" in out


def test_line_breaks_and_tabs_stay_where_they_may() -> None:
    assert visible("a\r\nb\tc") == "a\nb\tc"
    assert visible("a\r\nb\tc", lines=False) == "a b c"
    assert visible("\u2028x\x00") == " x\\x00"
    assert visible("naïve – 三 🎉") == "naïve – 三 🎉"


def test_a_password_is_not_repeated(cli: CommandLine) -> None:
    from scheduled_prompts.cli.options import Choices
    from scheduled_prompts.cli.session import command_line

    typed = command_line(Choices(store="redis://anna:secret@host/0"), "serve")
    assert "secret" not in typed
    assert "redis://anna:***@host/0" in typed
