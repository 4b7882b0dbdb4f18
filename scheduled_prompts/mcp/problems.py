"""Errors as clients see them: of tools an answer, of everything else an error of the protocol."""

from __future__ import annotations

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from scheduled_prompts.errors import Conflict, Forbidden, InvalidConfig, InvalidInput, NotFound, ScheduledPromptsError

THE_CLIENTS = (InvalidInput, NotFound, Conflict, Forbidden)
"""What asking for something else could mend; what is left is ours, or the store's."""


def as_protocol_error(error: ScheduledPromptsError, uri: str | None = None) -> MCPError:
    from scheduled_prompts.tools.refusals import refusal

    said = refusal(error)["error"]
    is_clients = isinstance(error, THE_CLIENTS) and not isinstance(error, InvalidConfig)
    return MCPError(
        code=INVALID_PARAMS if is_clients else INTERNAL_ERROR,
        message=said["message"] + (f" ({said['hint']})" if said["hint"] else ""),
        data=said | ({"uri": uri} if uri is not None else {}),
    )
