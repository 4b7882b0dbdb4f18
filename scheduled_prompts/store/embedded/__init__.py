"""The embedded server: a private Valkey or Redis for one user, started when needed and gone when not.

Daemon, CLI and tools of one user share the server of one data directory. There is no service to install, no
port and no pid file; what is true at any moment is read from two places that the kernel keeps honest whoever
is killed: file locks in the directory, and what answers on the socket.

**Which lock protects what** (all `flock`, all in the data directory, none ever deleted):

- `server.lock`, exclusive: a server runs here, or is just being started. Taken by the starter and handed to
  the server as an open descriptor; it lives exactly as long as the server, because nobody unlocks it: it ends
  when the last copy of the descriptor is closed. So two never run on one directory, and a server whose
  starter was killed is simply found.
- `users.lock`, shared by each user: somebody uses the server. A user who is killed stops being one at that
  instant. The keeper takes it exclusively, for moments.
- `keeper.lock`, exclusive: a keeper stands by. Taken by whoever starts it, and handed to it.

**Who lingers.** Not the users: leaving is closing a descriptor, which a CLI does in no time and a killed
process does as well as a polite one. The *keeper* (`keeper.py`: a Python process without third-party imports,
12 MB resident, half of it its own) sleeps in the kernel until the last user is gone, lets the linger pass so
that a row of CLI commands meets one server, and if nobody came, shuts the server down. Each `ensure` sees to
both, keeper and server, and starts whichever is missing: a killed keeper is replaced by the next user (or the
next `ensure`), and until then nothing worse happens than a server that runs on.

**Why a new user cannot be handed a server that is about to go.** The keeper tells the server to stop only
while it holds `users.lock` exclusively, and keeps it until `server.lock` is free, that is: until the server
has ended. A new user first takes `users.lock` shared, so it comes either before the keeper (which then finds
the lock taken and goes back to sleep) or after the server's end (and then starts the next). Only when the
keeper is killed between its SHUTDOWN and the server's end can a user see a server that answers once more and
is gone: to that user it is a server that died, and `ensure` starts the next one.

**Why there is always a keeper.** It gives up `keeper.lock` *before* `users.lock` when it has done its work;
a user looks at `keeper.lock` *after* having got `users.lock`. So who finds it taken has found a keeper that
will still wait for this user to leave. It is started before the server, so that a starter killed in between
leaves a keeper without a server (which goes away by itself), never a server without a keeper.

**What is bounded.** Waiting (`patience`), the time of one question to the server (`probe.py`), the log (one
old generation), the append-only file (rewritten when it has doubled), and how long an unused server runs
(`linger`).

Which socket the server listens on is written in the directory (`record.py`), not derived by each user: a
cron job without `XDG_RUNTIME_DIR` must find the server that a login session started. When that socket was removed
under a running server, `ensure` replaces the server (`unreachable.py`).
"""

from __future__ import annotations

from scheduled_prompts.store.embedded.paths import default_directory
from scheduled_prompts.store.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "default_directory"]
