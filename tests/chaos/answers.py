"""What clients were told was done: is it still so, and was it done once?"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.accounting import prompt_of
from tests.chaos.evidence import Facts


def changes_that_were_acknowledged_hold(facts: Facts) -> None:
    texts: dict[tuple[str, int], str] = {}
    for line in facts.evidence.clients:
        stored = facts.prompts.get(line["prompt"])
        if line["what"] != "done" or stored is None:
            continue
        what = f"{line['deed']} of {line['prompt']} was acknowledged"
        if line["deed"] == "cancel" and stored["status"] != "cancelled":
            facts.find(f"{what}, and it is {stored['status']}")
        if "version" in line:
            if int(stored["version"]) < line["version"]:
                facts.find(f"{what} as version {line['version']}, and it is at {stored['version']}")
            text = texts.setdefault((line["prompt"], line["version"]), line["text"])
            if text != line["text"]:
                facts.find(f"{what} as version {line['version']}, which somebody else was told of another change")
    for (prompt, version), text in texts.items():
        if version == int(facts.prompts[prompt]["version"]) and facts.docs[prompt]["text"] != text:
            facts.find(
                f"{prompt} says {facts.docs[prompt]['text']!r}, and version {version} was acknowledged as {text!r}"
            )


def pauses_that_were_acknowledged_hold(facts: Facts) -> None:
    for deed, entry in (("pause", "paused"), ("resume", "resumed")):
        for prompt, number in Counter(line["prompt"] for line in _done(facts, deed)).items():
            told = facts.evidence.keys.get(f"spans:{prompt}", ())
            noted = sum(json.loads(text)["kind"] == entry for text in told)
            if noted < number:
                facts.find(f"{prompt} was {entry} {number} times, and its account tells of {noted}")
    for prompt in {line["prompt"] for line in _done(facts, "pause")} & facts.prompts.keys():
        status = facts.prompts[prompt]["status"]
        if "resume" not in facts.asked[prompt] and status not in ("paused", "cancelled"):
            facts.find(f"pause of {prompt} was acknowledged, nobody resumed it, and it is {status}")


def manual_runs_are_those_that_were_asked_for(facts: Facts) -> None:
    for line in _done(facts, "run"):
        if line["fire"] not in facts.fires:
            facts.find(f"run of {line['prompt']} was acknowledged as {line['fire']}, which is nowhere")
    for fire, number in Counter(line["fire"] for line in _done(facts, "run")).items():
        if number > 1:
            facts.find(f"{number} runs were acknowledged as one, {fire}")
    asks = (line for line in facts.evidence.clients if line["what"] == "asks" and line["deed"] == "run")
    asked = Counter(line["prompt"] for line in asks)
    for prompt, number in Counter(prompt_of(fire) for fire in facts.fires if "+" in fire).items():
        if number > asked[prompt]:
            facts.find(
                f"{prompt} was to run {asked[prompt]} times beside its schedule, and there are {number} such fires"
            )


def _done(facts: Facts, deed: str) -> list[dict[str, Any]]:
    return [line for line in facts.evidence.clients if (line["what"], line["deed"]) == ("done", deed)]
