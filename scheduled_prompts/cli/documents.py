"""What programs are told of a prompt beside the record itself: spans of its account, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.store.records import Quarantined, Span, Unreadable
from scheduled_prompts.views import instant


def span_view(span: Span, timezone: str) -> dict[str, Any]:
    """What an account tells beyond fires: what was missed, or changed `by` somebody, noted down `at`, about the
    occurrences `from` and `until` (not included). A pause has lasted `since`; an edit `changed` these fields. `values`
    are fields from what to what; long texts are cut. In `fire` an agent made the change; what it was refused (`deed`),
    and the `prompts` it made there, are told once, with how many `times` and when `last`."""
    return {
        "kind": span.kind,
        "at": instant(span.at, timezone),
        "from": instant(span.start, timezone),
        "until": instant(span.end, timezone),
        "since": instant(span.since, timezone),
        "reason": span.reason,
        "note": span.note,
        "changed": list(span.changed),
        "by": span.by,
        "stood": span.stood,
        "values": {field: {"from": before, "to": after} for field, (before, after) in span.values.items()},
        "trimmed": span.trimmed,
        "fire": span.fire,
        "deed": span.deed,
        "times": span.times,
        "last": instant(span.last, timezone),
        "prompts": list(span.prompts),
    }


def quarantined_view(record: Quarantined, timezone: str) -> dict[str, Any]:
    """Why and when a record was set aside, and its status before."""
    return {"error": record.error, "at": instant(record.at, timezone), "was": record.was}


def unreadable_view(record: Unreadable) -> dict[str, Any]:
    """A record that cannot be read. `newer`: a later release wrote it, and nothing is wrong with it."""
    return {"id": record.id, "status": record.status or None, "error": record.error, "newer": record.newer}
