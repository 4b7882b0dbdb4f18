"""All that speaks to Redis: keys, connections, the embedded server, and the scripts that are the transitions."""

from scheduled_prompts.store.store import Store

__all__ = ["Store"]
