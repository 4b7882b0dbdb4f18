"""Start the daemon from a checkout: the same as `scheduled-prompts serve`, options included."""

from __future__ import annotations

import sys

from scheduled_prompts.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
