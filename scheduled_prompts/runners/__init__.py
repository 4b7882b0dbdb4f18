"""Who does the work: one file a runner. Runners know the records and nothing else of this package."""

from scheduled_prompts.runners.contract import Permanent, Retry, Runner
from scheduled_prompts.runners.python import as_runner

__all__ = ["Permanent", "Retry", "Runner", "as_runner"]
