"""Who may come in by a token: the namespace's secret, which tokens were revoked, and whether a fire's still holds.

The secret is made when it is first needed: a field of `meta`, 32 random bytes in hexadecimal. Who can read it can make
any token, but who can read it can do anything in the store anyway. Deleting it ends all tokens at once.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, NamedTuple

from scheduled_prompts import tokens
from scheduled_prompts.caller import Caller
from scheduled_prompts.clock import Clock
from scheduled_prompts.errors import InvalidInput, StoreUnusable, TokenRefused
from scheduled_prompts.fire import FireStatus
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.transport import Transport, as_text

SECRET = "secret"
SECRET_BYTES = 32
LONGEST_LIFE = 366 * 86_400
"""Seconds. A token that nobody renews ends at last, and so does the memory of a revocation."""

_ID = re.compile(r"[0-9a-f]{16}|[0-9A-Z]{26}[@+][0-9A-Z]+#\d+")
"""Of a caller's, and of a fire's."""


class NewToken(NamedTuple):
    """A token, as it is shown once: it is stored nowhere."""

    id: str
    token: str
    expires_at: int


class Access:
    transport: Transport
    keys: Keys
    clock: Clock

    async def secret(self) -> bytes:
        """What tokens of this namespace are signed with; made now if there is none. Raises StoreUnusable where it can
        be neither read nor made."""
        found = await self._read_secret()
        if found is None:
            fresh = secrets.token_hex(SECRET_BYTES)
            client = self.transport.client
            try:  # whoever comes first makes it, and everybody reads it
                await self.transport.ask(lambda: client.hsetnx(self.keys.meta, SECRET, fresh))
            except StoreUnusable as error:
                raise StoreUnusable(
                    f"tokens need a secret in the store, and it cannot be written: {error.message}",
                    hint="once it is there, tokens can be made and read where nothing can be written",
                ) from error
            found = await self._read_secret()
        if found is None:
            raise StoreUnusable(f"{self.transport.connection.description} forgets what is written to it")
        return found

    async def new_token(self, caller: Caller, *, lifetime: float) -> NewToken:
        """A token for a caller, for `lifetime` seconds. Raises InvalidInput for a lifetime that is none or too long."""
        if not 0 < lifetime <= LONGEST_LIFE:
            said = f"{lifetime / 86_400:,.6g} days" if lifetime > LONGEST_LIFE else f"{lifetime:g} s"
            raise InvalidInput(
                f"a token for {said} cannot be made", hint=f"more than 0 s, up to {LONGEST_LIFE // 86_400} days"
            )
        expires_at = self.clock.now() + round(lifetime * 1000)
        token_id = secrets.token_hex(8)
        secret = await self.secret()
        token = tokens.issue_caller(
            secret, caller, token_id=token_id, expires_at=expires_at, namespace=self.keys.namespace
        )
        return NewToken(token_id, token, expires_at)

    async def claims_of(self, token: str) -> tokens.Claims:
        """What a token says, if it is good: signed here, of this namespace, neither expired nor revoked, and if it is a
        fire's, as long as that fire is running, in that attempt. Raises TokenRefused."""
        claims = await self._read_token(token)
        client, caller = self.transport.client, claims.caller

        async def ask() -> list[Any]:
            async with client.pipeline(transaction=False) as pipe:
                pipe.zscore(self.keys.revoked, claims.id)
                if caller.fire is not None:
                    pipe.hmget(self.keys.fire(caller.fire), "status", "attempt")
                return list(await pipe.execute())

        revoked, *of_fire = await self.transport.ask(ask)
        if revoked is not None:
            raise TokenRefused("the token was revoked", hint="ask for a new one")
        if of_fire:
            status, attempt = as_text(of_fire[0])
            if status != FireStatus.RUNNING or attempt != str(caller.attempt):
                raise TokenRefused(
                    f"the token is of fire {caller.fire}, attempt {caller.attempt}, which is over",
                    hint="what runs in a fire may act for it as long as it runs",
                )
        return claims

    async def revoke(self, token: str) -> str:
        """A token, or the id of one, is good no more. Returns the id. Doing it twice changes nothing. Ids are kept
        nowhere: whether there was a token with one is not known.

        Raises TokenRefused for a token that is not good anyway, and where there is no secret; InvalidInput for what is
        neither."""
        client, now = self.transport.client, self.clock.now()
        token_id, until = token, now + LONGEST_LIFE * 1000
        if token.startswith(tokens.PREFIX):
            claims = await self._read_token(token)
            token_id, until = claims.id, claims.expires_at
        elif not _ID.fullmatch(token):
            raise InvalidInput(f"{token!r} is no token's id", hint="give the token, or the id that was said with it")
        else:
            await self._known_secret()

        async def note() -> None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.zremrangebyscore(self.keys.revoked, "-inf", now)  # those have expired meanwhile
                pipe.zadd(self.keys.revoked, {token_id: until}, gt=True)
                await pipe.execute()

        await self.transport.ask(note)
        return token_id

    async def _read_token(self, token: str) -> tokens.Claims:
        secret = await self._known_secret()
        return tokens.read(token, secret, now=self.clock.now(), namespace=self.keys.namespace)

    async def _known_secret(self) -> bytes:
        # Read anew each time: whoever deletes the secret has ended all tokens, everywhere, at once.
        secret = await self._read_secret()
        if secret is None:
            raise TokenRefused(
                "this store has no secret: no token of it is good", hint="is it the right store, and namespace?"
            )
        return secret

    async def _read_secret(self) -> bytes | None:
        client = self.transport.client
        found = as_text(await self.transport.ask(lambda: client.hget(self.keys.meta, SECRET)))
        try:
            return bytes.fromhex(found) if found else None
        except ValueError as error:
            raise StoreUnusable("the secret in the store was damaged: no token can be made or read") from error
