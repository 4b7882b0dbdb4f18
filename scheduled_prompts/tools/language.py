"""What errors say, in the language of the tools: whoever calls them has no command line, and no settings to change."""

from __future__ import annotations

import re

TOOLS = {
    "add": "schedule_prompt",
    "list": "list_scheduled_prompts",
    "show": "get_scheduled_prompt",
    "edit": "update_scheduled_prompt",
    "cancel": "cancel_scheduled_prompt",
    "pause": "pause_scheduled_prompt",
    "resume": "resume_scheduled_prompt",
    "run": "run_scheduled_prompt_now",
    "skip": "skip_occurrence",
    "unskip": "skip_occurrence with undo",
    "preview": "preview_schedule",
    "history": "list_fires",
    "explain": "explain_scheduled_prompt",
}
"""Which tool does what a command does."""
BY_A_PERSON = re.compile(
    r"`(doctor|start-all|stop-all|fire|export|import|apply|approve|reject|serve|status)\b[^`]*`|`cancel [^`]*--tree`"
)
"""Commands that no tool stands for."""
A_PERSON = "tell a person: whoever runs this has to see to it"
_COMMAND = re.compile(r"`(?P<word>[a-z-]+)(?P<rest>(?: [^`]*)?)`")
_PHRASES = (
    (re.compile(r"`--tz ([^`]+)`"), r"timezone='\1'"),
    (re.compile(r"; --quiet-policy \w+ [^;]*"), ""),
    (re.compile(r"--([a-z]+)-([a-z]+)"), r"\1_\2"),
    (re.compile(r"--([a-z]+)"), r"\1"),
    (re.compile(r", (wait [^,]*), or (?:raise|lower) the limit in the settings"), r", or \1"),
    (re.compile(r",? or (?:raise|lower) the limit in the settings"), ""),
    (
        re.compile(r"schedule with its own key, or edit it"),
        "update_scheduled_prompt with id='self', or schedule_prompt with its own key",
    ),
    (re.compile(r"(^|; )text: "), r"\1prompt: "),
    (re.compile(r"(^|; )schedule: "), r"\1when: "),
)


def message_of(text: str) -> str:
    return _said(text)


def hint_of(text: str | None) -> str | None:
    """A hint that can be followed with the tools; where a person alone can do it, that is said."""
    if text is None:
        return None
    parts = [part for part in re.split(r"; |, (?=`)", text) if not BY_A_PERSON.search(part)]
    if not parts:
        return A_PERSON
    separator = "; " if "; " in text else ", "
    return _said(separator.join(parts)) or None


def _said(text: str) -> str:
    for pattern, replacement in _PHRASES:
        text = pattern.sub(replacement, text)
    return _COMMAND.sub(_tool, text)


def _tool(found: re.Match[str]) -> str:
    name = TOOLS.get(found["word"])
    if name is None:
        return found[0]
    rest = found["rest"].strip()
    return f"{name} with {rest}" if rest else name
