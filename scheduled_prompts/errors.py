"""Every error this package raises on purpose.

One base class, few kinds. Each kind has a stable `code` (for programs) and an `exit_code` (for shells); each
instance says what was wrong, with which value, and, in `hint`, what would have been right.
"""

from __future__ import annotations

LONGEST_QUOTE = 120
LONGEST_VALUE = 80
"""So many characters of a value that is shown whole or not at all."""


def quoted(said: object) -> str:
    """What somebody said, as an error tells it: in quotes, and cut where nobody would read it to its end."""
    text = repr(said)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"


def complaint(message: str, value: str = "") -> str:
    """What a validator said of a value, as a person is told it: with the value, where it is short and not told yet."""
    message = message.removeprefix("Value error, ").replace("Input should", "it should").split(", unable to parse")[0]
    return message + (f" (it is {value})" if value not in message and len(value) <= LONGEST_VALUE else "")


class ScheduledPromptsError(Exception):
    """Base of all errors raised by this package on purpose."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInput(ScheduledPromptsError):
    """A value was refused before anything was written."""

    code = "invalid_input"
    exit_code = 2


class InvalidSchedule(InvalidInput):
    """A schedule that is not understood, can never occur, or lies in the past."""

    code = "invalid_schedule"


class UnknownTimezone(InvalidInput):
    """A zone name that the IANA database does not hold."""

    code = "unknown_timezone"


class InvalidConfig(InvalidInput):
    """A setting or a configuration file that cannot be used."""

    code = "invalid_config"


class NotFound(ScheduledPromptsError):
    """No prompt (or fire) goes by that id, prefix or suffix."""

    code = "not_found"
    exit_code = 3


class Conflict(ScheduledPromptsError):
    """The record is not in a state in which this can be done."""

    code = "conflict"
    exit_code = 4


class VersionConflict(Conflict):
    """The record was changed since it was read."""

    code = "version_conflict"


class AllStopped(Conflict):
    """Nothing runs until `start-all`: the kill switch is on."""

    code = "all_stopped"


class LimitReached(ScheduledPromptsError):
    """A limit of the settings would be passed. Nothing was written."""

    code = "limit_reached"
    exit_code = 6


class Forbidden(ScheduledPromptsError):
    """The caller may not do this, whatever is in the store. Nothing was written."""

    code = "forbidden"
    exit_code = 6


class TokenRefused(Forbidden):
    """A token that is malformed, forged, expired, revoked, of another namespace, or of a fire that has ended."""

    code = "token_refused"


class StoreUnreachable(ScheduledPromptsError):
    """The store did not answer in time. Whether the last write took effect is unknown."""

    code = "store_unreachable"
    exit_code = 5


class StoreUnusable(ScheduledPromptsError):
    """The store answers, but cannot be used: a newer schema, other shards, no permission, no space, no server
    binary."""

    code = "store_unusable"
