"""What a person types: `scheduled-prompts` (or `sprompt`), a command, its options.

`app` and `commands` hold the words one can type, `entry` turns a command line into an exit code, `output` writes
documents and errors. What a command does is in a file of its own, imported when it is typed: `--help` loads no Redis
client, `--json` no tables.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (None: this process's) and return its exit code."""
    try:
        from scheduled_prompts.cli.entry import run_command_line

        return run_command_line(argv)
    except KeyboardInterrupt:  # while modules were still being loaded: later ones are told of
        return 130
