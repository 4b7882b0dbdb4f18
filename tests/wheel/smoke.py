"""Every command once, by the installed wheel, in an empty environment outside the checkout: `make smoke`.

It knows no pytest, only the console script beside this interpreter. A command that it does not try is an error.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).parent / "scheduled-prompts"
CONFIG = """
[runners.echo]
kind = "command"
argv = ["cat"]
[runners.hook]
kind = "webhook"
url = "https://example.com/hook"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
"""
APPLIED = """
[prompts.digest]
text = "the digest"
when = "every weekday at 9:00"
"""

tried: set[str] = set()


def run(*words: str, code: int = 0) -> Any:
    """One command with --json: its document. Fails where it ends otherwise than expected."""
    tried.add(words[0])
    done = subprocess.run([COMMAND, *words, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stdout} {done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def told(*words: str) -> str:
    """The same command as a person sees it."""
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout} {done.stderr}"
    assert done.stdout
    return done.stdout


def all_commands() -> set[str]:
    helped = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    return set(re.findall(r"^│ ([a-z][a-z-]+)  ", helped.stdout, re.MULTILINE))


def main() -> None:
    Path("scheduled-prompts.toml").write_text(CONFIG)
    Path("prompts.toml").write_text(APPLIED)
    daemon = subprocess.Popen([COMMAND, "serve", "--json"], stdout=subprocess.PIPE, text=True)
    tried.add("serve")
    try:
        assert daemon.stdout is not None
        assert {"echo", "hook", "log"} <= set(json.loads(daemon.stdout.readline())["runners"])
        every_command()
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
    forgotten = all_commands() - tried
    assert not forgotten, f"not tried: {forgotten}"
    assert tried - all_commands() <= {"update"}
    print(f"{len(tried)} commands work from the wheel")


def every_command() -> None:
    fired = run("add", "hello", "--when", "in 1s", "--runner", "echo", "--wait")
    assert fired["fire"]["result"]["text"] == "hello", fired
    prompt = run("add", "again", "--when", "every day at 9am", "--runner", "echo", "--key", "k")["prompt"]["id"]
    assert prompt in {item["id"] for item in run("list")["items"]}
    assert told("list")
    assert "again" in told("show", prompt)
    assert run("show", prompt)["version"] == 1
    assert len(run("preview", "every day at 9am")["upcoming"]) == 5
    assert run("edit", prompt, "--version", "1", "--text", "anew")["changed"] == ["text"]
    run("edit", prompt, "--version", "1", "--text", "late", code=4)
    run("skip", prompt, "next")
    run("unskip", prompt, run("show", prompt)["skips"][0])
    run("pause", prompt, "--note", "holiday")
    run("resume", prompt)
    assert run("run", prompt, "--wait")["result"]["text"] == "anew"
    assert len(run("history", prompt)["items"]) == 1
    assert run("fire", "show", prompt)["status"] == "succeeded"
    assert run("explain", prompt)["outcomes"]["upcoming"] == 5
    assert run("fire", "rerun", prompt, "--wait")["result"]["text"] == "anew"
    run("fire", "cancel", prompt, code=4)
    assert run("stop-all", "--note", "a drill")["stopped"]
    run("run", prompt, code=4)
    assert run("start-all")["started"]
    as_a_person()
    assert len(run("apply", "prompts.toml")["created"]) == 1
    Path("exported.json").write_text(json.dumps(run("export")))
    assert run("cancel", prompt, "--tree")["cancelled_with_it"] == []
    run("import", "exported.json")
    assert run("stats")
    assert run("events")["items"]
    assert run("doctor")["ok"]
    assert told("doctor")
    run("cleanup", "--days", "0")
    agents()


def agents() -> None:
    """An MCP client lists the tools; a token is made, and is good no more."""
    made = run("token", "make", "--agent", "smoke", "--for", "1h")
    assert run("token", "revoke", made["id"])["revoked"] == made["id"]
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "smoke", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_scheduled_prompts"}},
    ]
    tried.add("mcp")
    said = "".join(json.dumps(message) + "\n" for message in messages)
    done = subprocess.run([COMMAND, "mcp"], input=said, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = {answer["id"]: answer["result"] for answer in map(json.loads, done.stdout.splitlines())}
    assert answers[1]["serverInfo"]["name"] == "scheduled-prompts"
    assert answers[2]["structuredContent"]["ok"] is True, answers[2]
    assert done.stderr == ""


def as_a_person() -> None:
    """What changes something, once more, without --json."""
    assert "scheduled" in told("add", "by hand", "--when", "every day at 9am", "--runner", "echo", "--key", "hand")
    prompt = next(item["id"] for item in run("list")["items"] if item["key"] == "hand")
    assert "every day at 09:00" in told("preview", "every day at 9am")
    assert "edited" in told("edit", prompt, "--force", "--text", "another")
    told("skip", prompt, "next")
    told("unskip", prompt, run("show", prompt)["skips"][0])
    assert "holiday" in told("pause", prompt, "--note", "holiday")
    told("resume", prompt)
    assert "another" in told("run", prompt, "--wait")
    assert "succeeded" in told("history", prompt)
    assert "another" in told("fire", "show", prompt)
    told("fire", "rerun", prompt, "--wait")
    assert "upcoming" in told("explain", prompt)
    for decision in ("approve", "reject"):  # what agents ask for is theirs to make: here nothing waits
        run(decision, prompt, "--note", "as it should be", code=4)
    told("stop-all")
    told("start-all")
    told("apply", "prompts.toml", "--dry-run")
    told("cancel", prompt)
    told("stats")
    told("events")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="sp-smoke-") as folder:
        os.chdir(folder)
        os.environ["SCHEDULED_PROMPTS_STORE"] = f"embedded:{folder}/store"
        main()
