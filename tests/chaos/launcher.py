"""How a daemon of these runs starts: the package's own command, beside a witness of how well the machine keeps time.

A machine that is too busy to run a process for half a second does to it what SIGSTOP does. Nobody injected that, so the
witness writes it to the book, and the checker counts it among what explains a lost lease. A mutation, where one is
wanted (`CHAOS_MUTATION`), is made here and nowhere in the package.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from tests.chaos.work import BOOK, MUTATION, WHO, write

PULSE = 0.1
LATE = 0.4


def witness() -> None:
    while True:
        before = time.monotonic()
        time.sleep(PULSE)
        late = time.monotonic() - before - PULSE
        if late > LATE:
            write(os.environ[BOOK], what="stood still", who=os.environ[WHO], ms=late * 1000)


def main() -> None:
    threading.Thread(target=witness, daemon=True).start()
    wanted = os.environ.get(MUTATION)
    if wanted:
        from tests.chaos.mutations import mutate

        mutate(wanted)
    from scheduled_prompts.cli import main as command

    sys.exit(command())


if __name__ == "__main__":
    main()
