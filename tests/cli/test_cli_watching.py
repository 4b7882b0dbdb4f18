"""`stats` and `events`, as people and as programs see them; following in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rich.cells import cell_len

from scheduled_prompts import Scheduler
from scheduled_prompts.cli.charts import hours_chart
from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.scheduler.stats import HOUR_MS, Ended, Hour
from scheduled_prompts.store.embedded.binary import choose_binary
from tests.cli.cli_driver import CommandLine
from tests.cli.test_cli_people import ANSI, INSTANT, Terminal, terminal  # noqa: F401  (a fixture)

COMMAND = Path(sys.executable).parent / "scheduled-prompts"
EVENT_ID = re.compile(r"\d{13}-\d+")


def worked(cli: CommandLine) -> list[str]:
    """Ids of a prompt that succeeded, one that failed, and one that was paused with a note."""
    ids = [
        cli.json("add", text, "--when", "every 2h", "--name", name)["prompt"]["id"]
        for text, name in (
            ("say hello", "Morning report"),
            ("break", "Broken one"),
            ("wait", "三つの窓 that go on and on"),
        )
    ]
    for prompt_id in ids[:2]:
        cli.json("run", prompt_id)
    cli.json("pause", ids[2], "--note", "not this week")
    ended: list[str] = []

    def work(fire: Fire) -> str:
        ended.append(fire.id)
        if fire.text == "break":
            raise Permanent("it broke\nbadly")
        return "hello"

    cli.serve(work, lambda: len(ended) == 2)
    return ids


# stats


def test_stats_of_an_empty_store_show_nothing_that_is_empty(cli: CommandLine) -> None:
    lines = cli("stats").out.splitlines()
    titles = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert titles == ["Store", "Prompts", "Daemons"]
    assert "none yet" in lines[1]
    assert lines[-1].split()[-1] == "serve"  # the command is a path in this checkout, which may want lines of its own


def test_stats_for_people_say_what_there_is(cli: CommandLine) -> None:
    ids = worked(cli)
    out = cli("stats").out
    assert "\x1b" not in out
    assert "2 active  1 paused" in out
    assert re.search(rf"^Next  .*{INSTANT.pattern}  {ids[0][-8:]} Morning report$", out, re.MULTILINE)
    assert "Last hour   1 succeeded  1 failed" in out
    assert re.search(r"^Lateness    p50 .* p99 ", out, re.MULTILINE)
    assert "Fires by hour, Europe/Berlin" in out
    assert re.search(r"^failed .* 1$", out, re.MULTILINE)
    assert "running" not in out


def test_stats_for_people_say_what_is_overdue_and_who_serves(cli: CommandLine) -> None:
    cli("add", "hello", "--when", "in 1s", "--platform", "chat")
    time.sleep(1.2)
    assert re.search(r"^Due now     1, the oldest for .*: \w{8} hello$", cli("stats").out, re.MULTILINE)
    with cli.serving(log=lambda fire: None):
        out = cli("stats").out
        document = cli.json("stats")
    assert re.search(r"^Daemons     \S+  \d of \d+ slots  up ", out, re.MULTILINE)
    [daemon] = document["daemons"]
    assert (daemon["runners"], daemon["platforms"]) == (["log"], None)
    assert daemon["uptime_s"] >= 0
    assert {"id", "host", "pid", "version", "slots", "running", "started_at"} <= daemon.keys()


def test_stats_for_programs_name_everything(cli: CommandLine) -> None:
    ids = worked(cli)
    stats = cli.json("stats")
    assert {name: count for name, count in stats["prompts"].items() if count} == {"active": 2, "paused": 1}
    assert {"scheduled", "executed", "cancelled", "quarantined"} <= stats["prompts"].keys()
    assert (stats["due_now"], stats["oldest_due"]) == (0, None)
    assert stats["next_due"]["prompt_id"] == ids[0]
    assert stats["fires"] == {"waiting": 0, "running": 0, "retrying": 0}
    hour = stats["last_hour"]
    assert (hour["ended"], hour["succeeded"], hour["failed"], hour["other"], hour["started"]) == (2, 1, 1, 0, 2)
    assert 0 <= hour["lateness_ms"]["p50"] <= hour["lateness_ms"]["p99"] < 5000
    assert len(stats["hours"]) == 24
    assert sum(one["ended"] for one in stats["hours"]) == 2
    assert stats["timezone"] == "Europe/Berlin"
    assert stats["daemons"] == []


def test_stats_fit_the_terminal(cli: CommandLine, terminal: Terminal) -> None:  # noqa: F811
    worked(cli)
    for columns in (60, 80, 120):
        terminal(columns)
        out = cli("stats").out
        assert "\x1b" in out
        lines = ANSI.sub("", out).splitlines()
        # All but a command to paste, which is as long as the path of this checkout.
        assert all(cell_len(line) <= columns for line in lines if not line.endswith(" serve"))


def hours(*counts: tuple[int, int]) -> list[Hour]:
    return [Hour(number * HOUR_MS, Ended(good, bad, 0)) for number, (good, bad) in enumerate(counts)]


def test_a_bar_is_as_high_as_its_share_and_what_failed_lies_at_the_bottom() -> None:
    chart = hours_chart(
        hours(*[(0, 0)] * 15, (8, 0), (4, 4), (4, 0), (1, 0), (0, 0), (0, 1), (0, 8), (0, 0), (8, 0)), "UTC", 80
    )
    plain = [line.plain for line in chart]
    assert plain[0].rstrip() == "     8 │ ██ ██             ██    ██"
    assert plain[4].rstrip() == "       │ ██ ██ ██ ▅▅    ▅▅ ██    ██"
    assert plain[6].split() == [f"{hour:02}" for hour in range(15, 24)]
    assert plain[7].split() == ["failed", "4", "1", "8"]
    assert [(span.style, chart[4].plain[span.start : span.end]) for span in chart[4].spans[1:4]] == [
        ("green", "██"),
        ("red", "██"),
        ("green", "██"),
    ]


def test_where_nothing_ran_there_is_no_chart() -> None:
    assert hours_chart(hours(*[(0, 0)] * 24), "UTC", 80) == []


@pytest.mark.parametrize("width", [30, 80, 200])
def test_a_chart_has_as_many_hours_as_there_is_room_for(width: int) -> None:
    chart = hours_chart(hours(*[(123_456, 7)] * 24), "UTC", width)
    assert max(cell_len(line.plain) for line in chart) <= width
    assert len(chart[6].plain.split()) == min((width - 9) // 3, 24)


# events


def test_events_for_people_have_a_line_each_with_its_id(cli: CommandLine) -> None:
    assert cli("events").out == "nothing has happened yet\n"
    ids = worked(cli)
    lines = cli("events").out.splitlines()
    assert len(lines) == 6
    rest = re.compile(rf"{INSTANT.pattern}  {EVENT_ID.pattern}  (.*)")
    said = []
    for line in lines:
        found = rest.fullmatch(line)
        assert found
        said.append(found[found.re.groups])
    assert said[0] == f"{ids[0][-8:]}  created  Morning report"
    assert f"{ids[2][-8:]}  paused  三つの窓 that go on and on  not this week" in said
    [failed] = [line for line in said if "failed" in line]
    assert re.fullmatch(r"\w{8}  failed  Broken one  permanent, it broke …, .* late, took .*", failed)


def test_events_fit_the_terminal_and_the_day_stands_above(cli: CommandLine, terminal: Terminal) -> None:  # noqa: F811
    worked(cli)
    for columns in (60, 80, 120):
        terminal(columns)
        out = cli("events").out
        plain = ANSI.sub("", out)
        assert out != plain
        day, *lines = plain.splitlines()
        assert re.fullmatch(r"\w{3} \d{4}-\d\d-\d\d [+-]\d\d:\d\d Europe/Berlin", day)
        assert len(lines) == 6
        assert all(cell_len(line) <= columns for line in lines)
        assert all(EVENT_ID.search(line) for line in lines)


def test_events_for_programs_can_be_resumed(cli: CommandLine) -> None:
    ids = worked(cli)
    first = cli.json("events", "--limit", "2")
    assert {item["type"] for item in first["items"]} == {"failed", "succeeded"}
    assert cli.json("events", "--since", first["cursor"])["items"] == []
    everything = cli.json("events", "--since", "0")
    assert [item["type"] for item in everything["items"]][:4] == ["created", "created", "created", "paused"]
    assert everything["items"][3]["fields"] == {"reason": "requested", "note": "not this week"}
    cursor, seen = "0", []
    for _ in range(3):
        page = cli.json("events", "--since", cursor, "--limit", "2")
        cursor = page["cursor"]
        seen += page["items"]
    assert seen == everything["items"]
    assert cli.json("events", "--since", "10m")["items"] == seen
    assert cli.json("events", "--since", "10m ago")["items"] == seen
    assert cli.json("events", "--since", "2026-01-01")["items"] == seen
    assert [item["type"] for item in cli.json("events", "--prompt", ids[2][-8:])["items"]] == ["created", "paused"]
    types = cli.json("events", "--type", "failed", "--type", "paused")["items"]
    assert {item["type"] for item in types} == {"failed", "paused"}
    assert all(item["fire_id"].startswith(item["prompt_id"]) for item in seen if item["fire_id"])


def test_people_are_told_how_to_go_on(cli: CommandLine) -> None:
    worked(cli)
    last = cli("events", "--since", "0", "--limit", "4", "--type", "created", "--type", "timed-out").out.splitlines()[
        -1
    ]
    assert "created" in last, "there are three, so there is nothing to go on with"
    *lines, last = cli("events", "--since", "0", "--limit", "4").out.splitlines()
    _, *words = shlex.split(last.removeprefix("there are more: "))
    following = cli(*words).out.splitlines()
    assert (len(lines), len(following)) == (4, 2)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--since", "whenever"), "10m"),
        (("--since", "12"), "10m"),
        (("--since", "2100-01-01"), "earlier"),
        (("--type", "succeded"), "succeeded"),
        (("--limit", "1001"), "1,000"),
        (("--follow", "--since", "0", "--limit", "3"), "--help"),
    ],
)
def test_what_cannot_be_meant_is_refused(cli: CommandLine, words: tuple[str, ...], hint: str) -> None:
    answer = cli("events", *words)
    assert answer.code == 2
    assert hint in answer.err
    document = cli("events", *words, "--json").document
    assert hint in document["error"]["hint"]


def test_an_unknown_prompt_has_no_events(cli: CommandLine) -> None:
    assert cli("events", "--prompt", "ZZZZ").code == 3


# In a process of its own, on a server of its own


class Followers:
    """A server that can be killed and started again, and commands that follow it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = Path(tempfile.mkdtemp(prefix="sp-", dir="/tmp")) / "s"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULED_PROMPTS_")}
        self.environment = kept | {"SCHEDULED_PROMPTS_STORE": f"unix://{self.socket}"}
        self.started: list[subprocess.Popen[str]] = []
        (folder / "scheduled-prompts.toml").write_text('timezone = "Europe/Berlin"\n')
        self.start_server()

    def start_server(self) -> None:
        binary = choose_binary(None).path
        where = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        self.server = subprocess.Popen(
            [binary, *where, "--appendonly", "yes", "--save", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.client = redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def kill_server(self) -> None:
        self.client.close()
        self.server.kill()
        self.server.wait(10)
        self.socket.unlink(missing_ok=True)

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [COMMAND, *words],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    def add(self, text: str) -> str:
        async def made() -> str:
            async with Scheduler(f"unix://{self.socket}", timezone="Europe/Berlin") as scheduler:
                return (await scheduler.schedule(text, "in 1h")).prompt.id

        return asyncio.run(made())

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.kill_server()
        shutil.rmtree(self.socket.parent, ignore_errors=True)


@pytest.fixture
def followers(tmp_path: Path) -> Iterator[Followers]:
    followers = Followers(tmp_path)
    yield followers
    followers.end()


def line(process: subprocess.Popen[str], *, err: bool = False, within: float = 15) -> str:
    """The next line of a process. One is read at a time, and nothing may have been buffered before."""
    stream: Any = process.stderr if err else process.stdout
    assert select.select([stream], [], [], within)[0], "nothing was said"
    said = bytearray()
    while not said.endswith(b"\n"):
        letter = os.read(stream.fileno(), 1)
        assert letter, (process.poll(), bytes(said))
        said += letter
    return said.decode().rstrip("\n")


@pytest.mark.waits
def test_following_ends_with_ctrl_c_and_resumes(followers: Followers) -> None:
    first = followers.add("one")
    following = followers.start("events", "--follow", "--json")
    assert json.loads(line(following))["prompt_id"] == first, "the last ones come first"
    second = followers.add("two")
    seen = json.loads(line(following))
    assert (seen["type"], seen["prompt_id"]) == ("created", second)
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=10)
    assert (following.returncode, out, err) == (0, "", "")

    third = followers.add("three")
    again = followers.start("events", "--follow", "--since", seen["id"])
    assert f"  {third[-8:]}  created  three" in line(again)
    fourth = followers.add("four")
    assert f"  {fourth[-8:]}  created  four" in line(again)
    again.send_signal(signal.SIGTERM)
    out, err = again.communicate(timeout=10)
    assert (again.returncode, out, err) == (0, "", "")


@pytest.mark.waits
def test_following_outlives_an_outage_of_the_store(followers: Followers) -> None:
    followers.add("one")
    following = followers.start("events", "--follow", "--json")
    line(following)
    followers.kill_server()
    assert "does not answer" in line(following, err=True)
    assert line(following, err=True).startswith("hint: ")
    time.sleep(6)  # longer than a command is tried: it is said once
    followers.start_server()
    assert "answers again" in line(following, err=True)
    second = followers.add("two")
    assert json.loads(line(following))["prompt_id"] == second
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=10)
    assert (following.returncode, out, err) == (0, "", "")


@pytest.mark.waits
def test_what_was_trimmed_is_said(followers: Followers) -> None:
    followers.add("one")
    key = "{sp:0}:events"
    [(first, _)] = followers.client.xrange(key)
    for text in ("two", "three"):
        followers.add(text)
    followers.client.xtrim(key, maxlen=1, approximate=False)
    programs = followers.start("events", "--follow", "--since", str(first), "--json")
    gap = json.loads(line(programs))
    assert (gap["type"], gap["id"], gap["fields"]["since"]) == ("gap", first, first)
    assert json.loads(line(programs))["type"] == "created"
    people = followers.start("events", "--since", str(first))
    out, err = people.communicate(timeout=20)
    assert err.startswith(f"warning: not all is there: what happened behind {first} before ")
    assert len(out.splitlines()) == 1


@pytest.mark.waits
def test_a_reader_that_leaves_ends_the_following(followers: Followers) -> None:
    followers.add("one")
    following = followers.start("events", "--follow")
    line(following)
    assert following.stdout is not None
    following.stdout.close()
    followers.add("two")
    assert following.wait(15) == 1
    assert following.stderr is not None
    assert following.stderr.read() == ""


@pytest.mark.waits
def test_a_store_that_is_not_there_is_an_error_at_once(followers: Followers) -> None:
    nowhere = followers.start("events", "--follow", "--json", "--store", f"unix://{followers.folder}/none")
    out, _ = nowhere.communicate(timeout=20)
    assert nowhere.returncode == 5
    assert json.loads(out)["error"]["code"] == "store_unreachable"
