"""The default runner: it says the prompt in the daemon's log.

The daemon's other log lines leave prompt texts out; saying the text is this runner's whole purpose, so it
does. The text is the result too, and so `history` shows what was said.
"""

from __future__ import annotations

import structlog

from scheduled_prompts.fire import Fire, Result

log = structlog.get_logger("scheduled_prompts.runners.log")


class LogRunner:
    """Says the prompt's text in the log, at level info. Has no options."""

    async def run(self, fire: Fire) -> Result:
        log.info("prompt", text=fire.text, fire=fire.id, attempt=fire.attempt)
        return Result(text=fire.text)
