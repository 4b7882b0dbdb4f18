"""What a person can pick in a client (as a slash command, say): the usual questions, put as the tools like them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

Arguments = Mapping[str, str]


class Question(NamedTuple):
    prompt: Prompt
    text: Callable[[Arguments], str]


def _remind_me(said: Arguments) -> str:
    return (
        f"Remind me of this: {said['what']}\nWhen: {said['when']}\n\n"
        "Schedule it with schedule_prompt. Its text is read later by somebody who does not know this conversation: "
        "write it so that it is understood alone, and put into it what they need. If the time can be understood in "
        "more than one way, look with preview_schedule first. Then tell me when it comes, with date and zone, and its "
        "id."
    )


def _what_will_run(said: Arguments) -> str:
    until = f" up to {said['until']}" if said.get("until") else ""
    return (
        f"What will run{until}? Look with list_scheduled_prompts. Tell me what runs when, the next first, with date "
        "and zone; then what is paused or waits for approval, and why. Say so if no daemon runs, or if all is stopped: "
        "then nothing of it will."
    )


def _why_not(said: Arguments) -> str:
    at = f" at {said['when']}" if said.get("when") else ""
    return (
        f"Why did this scheduled prompt not run{at}: {said['prompt']}? Ask explain_scheduled_prompt"
        f"{' for that time' if at else ''}. Tell me what became of it and why, when it runs next, and what I can do so "
        "that it runs. Change nothing before I say so."
    )


def _stop(said: Arguments) -> str:
    return (
        f"I want this to stop: {said['what']}. Find it with list_scheduled_prompts, tell me what you found, and ask "
        "whether to pause it (it can be resumed) or to cancel it (for good). Do then what I say, and tell me what came "
        "of it."
    )


def _argument(name: str, description: str, *, required: bool = True) -> PromptArgument:
    return PromptArgument(name=name, description=description, required=required)


_QUESTIONS = {
    question.prompt.name: question
    for question in (
        Question(
            Prompt(
                name="remind_me",
                title="Remind me",
                description="Schedule a reminder, or anything else to be done later.",
                arguments=[
                    _argument("what", "What to remind you of, or what is to be done."),
                    _argument("when", "When: “tomorrow at 9am”, “every weekday at 9:00”, “in 20m”."),
                ],
            ),
            _remind_me,
        ),
        Question(
            Prompt(
                name="what_will_run",
                title="What will run?",
                description="What is scheduled, and when it runs next.",
                arguments=[_argument("until", "Only up to then: “Friday”, “the end of the month”.", required=False)],
            ),
            _what_will_run,
        ),
        Question(
            Prompt(
                name="why_did_it_not_run",
                title="Why did it not run?",
                description="What became of a scheduled prompt, and why.",
                arguments=[
                    _argument("prompt", "Which: its id, its key, its name."),
                    _argument("when", "When it should have run; left out: lately.", required=False),
                ],
            ),
            _why_not,
        ),
        Question(
            Prompt(
                name="stop_it",
                title="Stop something",
                description="Pause or cancel what is scheduled.",
                arguments=[_argument("what", "Which, in your words.")],
            ),
            _stop,
        ),
    )
}
PROMPTS = [question.prompt for question in _QUESTIONS.values()]


def said(name: str, arguments: Arguments) -> GetPromptResult:
    """A question, filled in. Raises MCPError for one that there is not, or that lacks an argument."""
    question = _QUESTIONS.get(name)
    if question is None:
        raise MCPError(code=INVALID_PARAMS, message=f"there is no prompt {name!r}; there are: {', '.join(_QUESTIONS)}")
    needed = [argument.name for argument in question.prompt.arguments or () if argument.required]
    missing = [argument for argument in needed if not arguments.get(argument, "").strip()]
    if missing:
        raise MCPError(code=INVALID_PARAMS, message=f"{name} needs {' and '.join(missing)}")
    message = PromptMessage(role="user", content=TextContent(text=question.text(arguments)))
    return GetPromptResult(description=question.prompt.description, messages=[message])
