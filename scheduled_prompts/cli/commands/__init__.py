"""The words one can type: each command, its options, and what they mean, a file a group.

What a command does is in a file of its own beside `app.py`, imported when it is typed. Importing this package makes the
commands known; the order is that of `--help`.
"""

from scheduled_prompts.cli.commands import making, changing, files, fires, seeing, watching, operating, serving, agents  # noqa: F401, I001  (in the order of --help)
