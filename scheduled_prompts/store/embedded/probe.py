"""One short question to whatever listens on the socket: is it there, does it serve, is it ours?"""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path

from redis.asyncio import UnixDomainSocketConnection
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from scheduled_prompts.store.embedded.paths import check_socket

_ANSWERS_WITHIN = 0.5  # s; a live server answers in well under 1 ms, a busy one when its script has ended


class Answer(Enum):
    """What a probe found."""

    GONE = auto()  # no socket is there
    NOBODY = auto()  # a socket on which nobody listens: left behind by a server that was killed
    SILENT = auto()  # somebody listens, and does not answer in time
    LOADING = auto()  # our server, still reading its file
    READY = auto()  # our server, serving
    FOREIGN = auto()  # something else


async def probe(socket: Path, directory: Path) -> Answer:
    """Ask once, without retries. Raises StoreUnusable for a socket that must not even be asked."""
    if not check_socket(socket):
        return Answer.GONE
    # RESP2 and no driver info: no handshake, so that this is one round trip.
    connection = UnixDomainSocketConnection(
        path=str(socket),
        protocol=2,
        driver_info=None,
        socket_connect_timeout=_ANSWERS_WITHIN,
        socket_timeout=_ANSWERS_WITHIN,
    )
    try:
        await connection.connect()  # type: ignore[no-untyped-call]  # redis-py leaves it bare
        # CONFIG is answered while loading and says whose server it is; PING says whether it serves.
        await connection.send_packed_command(connection.pack_commands([("CONFIG", "GET", "dir"), ("PING",)]))
        try:
            at = await connection.read_response()
        except ResponseError as error:
            # While a script runs too long nothing else is answered, not even whose server it is.
            return Answer.SILENT if str(error).startswith("BUSY") else Answer.FOREIGN
        if at != [b"dir", bytes(directory)]:
            return Answer.FOREIGN
        try:
            await connection.read_response()
        except BusyLoadingError:
            return Answer.LOADING
        except ResponseError:
            pass  # MISCONF after a failed write, say: it is there all the same
        return Answer.READY
    except RedisTimeoutError:
        return Answer.SILENT
    except (RedisError, OSError):
        return Answer.NOBODY
    finally:
        await connection.disconnect(nowait=True)
