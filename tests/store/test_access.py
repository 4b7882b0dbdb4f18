"""Tokens against the store: one secret a namespace, what was revoked, and fires that have ended."""

from __future__ import annotations

import asyncio

import pytest

from scheduled_prompts import Approval, Caller, Forbidden, InvalidInput, Limits, Scheduler, StoreUnusable, TokenRefused
from scheduled_prompts.store import Store
from scheduled_prompts.store.access import LONGEST_LIFE
from scheduled_prompts.store.connection import connect
from scheduled_prompts.tokens import Rules, issue_fire
from tests.conftest import Lab
from tests.store.conftest import RealLab
from tests.store.steps import queued, reap, running, settled, take

ANN = Caller(owner="ann", agent="planner")
HOUR = 3600.0
NO_SECRET = "this store has no secret: no token of it is good"


async def refused(store: Store, token: str) -> str:
    with pytest.raises(TokenRefused) as caught:
        await store.claims_of(token)
    return caught.value.message


async def fire_token(store: Store, fire: str, attempt: int = 1, *, lifetime: float = HOUR) -> str:
    return issue_fire(
        await store.secret(),
        ANN.model_copy(update={"fire": fire, "attempt": attempt}),
        expires_at=store.clock.now() + round(lifetime * 1000),
        rules=Rules(Limits(active_per_owner=3), Approval(agents=("*",))),
        namespace=store.keys.namespace,
    )


async def test_a_namespace_has_one_secret_however_many_ask_for_it_first(lab: Lab) -> None:
    async with lab:
        first = await lab.store()
        stores = [first, *[await lab.store(first.clock) for _ in range(4)]]
        assert "secret" not in lab.keys()["meta"], "it is made when it is needed"
        found = await asyncio.gather(*(store.secret() for store in stores for _ in range(3)))
        assert len(set(found)) == 1
        assert len(found[0]) == 32
        assert lab.keys()["meta"]["secret"] == found[0].hex()


async def test_a_token_is_good_in_every_store_of_the_namespace_until_it_expires(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        other = await lab.store(store.clock)
        made = await store.new_token(ANN, lifetime=HOUR)
        claims = await other.claims_of(made.token)
        assert (claims.caller, claims.id, claims.expires_at) == (ANN, made.id, made.expires_at)
        assert made.token not in str(lab.keys()), "nothing of it is stored"
        await store.clock.sleep(HOUR)
        assert await refused(other, made.token) == "the token has expired"


async def test_where_no_token_was_ever_made_none_is_good(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        assert await refused(store, "sp1.e30.x") == NO_SECRET
        assert "secret" not in lab.keys()["meta"]


async def test_where_the_secret_was_deleted_nothing_is_said_of_what_was_made_before(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        made = await store.new_token(ANN, lifetime=HOUR)
        lab.inspector.hdel(store.keys.meta, "secret")
        for named in (made.id, made.token):
            with pytest.raises(TokenRefused) as caught:
                await store.revoke(named)
            assert caught.value.message == NO_SECRET


async def test_a_store_that_was_emptied_has_another_secret_and_everybody_notices(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        other = await lab.store(store.clock)
        old = await store.new_token(ANN, lifetime=HOUR)
        await other.claims_of(old.token)
        lab.inspector.hdel(store.keys.meta, "secret")
        new = await store.new_token(ANN, lifetime=HOUR)
        assert "was not made by this store" in await refused(other, old.token)
        assert (await other.claims_of(new.token)).caller == ANN


async def test_a_lifetime_has_an_end(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        for lifetime in (0, -1, LONGEST_LIFE + 1, float("nan"), float("inf")):
            with pytest.raises(InvalidInput, match="cannot be made"):
                await store.new_token(ANN, lifetime=lifetime)


async def test_a_revoked_token_is_good_no_more_and_forgotten_when_it_would_have_expired(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        first, second, third = [await store.new_token(ANN, lifetime=HOUR) for _ in range(3)]
        assert await store.revoke(first.token) == first.id
        assert await store.revoke(second.id) == second.id, "whoever has its id alone"
        assert await store.revoke(second.id) == second.id
        assert await refused(store, first.token) == "the token was revoked"
        assert await refused(store, second.token) == "the token was revoked"
        assert (await store.claims_of(third.token)).id == third.id
        assert dict(lab.keys()["revoked"])[first.id] == first.expires_at
        await store.clock.sleep(HOUR)
        await store.revoke("0" * 16)
        assert first.id not in dict(lab.keys()["revoked"])


async def test_what_is_neither_a_token_nor_an_id_is_not_noted_as_revoked(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await store.secret()
        for wrong in ("", "everything", "sp1", "A" * 16):
            with pytest.raises(InvalidInput, match="is no token's id"):
                await store.revoke(wrong)
        with pytest.raises(TokenRefused):
            await store.revoke("sp1.e30.x")
        assert "revoked" not in lab.keys()


async def test_a_fires_token_is_good_while_that_attempt_runs(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        fire = (await running(store)).fire.id
        token = await fire_token(store, fire)
        claims = await store.claims_of(token)
        assert (claims.caller.fire, claims.caller.attempt, claims.rules) == (
            (fire, 1, Rules(Limits(active_per_owner=3), Approval(agents=("*",))))
        )
        assert "attempt 2, which is over" in await refused(store, await fire_token(store, fire, 2))
        await store.revoke(token)
        assert await refused(store, token) == "the token was revoked"


async def test_a_fires_token_ends_with_its_attempt(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        waiting = await queued(store)
        assert "which is over" in await refused(store, await fire_token(store, waiting, 0))
        lost = (await take(store)).leases[0].fire.id
        token = await fire_token(store, lost)
        await store.claims_of(token)
        await store.clock.sleep(3600)
        await reap(store)
        again = await fire_token(store, lost, lifetime=2 * HOUR)
        assert "which is over" in await refused(store, again), "it was lost, and waits for its next attempt"
        await take(store)
        assert "attempt 1, which is over" in await refused(store, again)
        assert (await store.claims_of(await fire_token(store, lost, 2))).caller.attempt == 2


async def test_a_fires_token_does_not_outlive_its_fire(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        lease = await running(store)
        await settled(store, lease)
        fire = lease.fire.id
        assert f"fire {fire}, attempt 1, which is over" in await refused(store, await fire_token(store, fire))
        gone = "01J00000000000000000000000@1"
        assert "which is over" in await refused(store, await fire_token(store, gone))


async def test_a_bearer_has_the_rights_and_limits_of_its_token(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = Scheduler(store, timezone="Europe/Berlin", limits=Limits(active_per_owner=99))
        outside = await scheduler.as_bearer((await store.new_token(ANN, lifetime=HOUR)).token)
        assert (outside.caller, outside.limits, outside.timezone) == (ANN, scheduler.limits, "Europe/Berlin")
        inside = await scheduler.as_bearer(await fire_token(store, (await running(store)).fire.id))
        assert inside.caller is not None
        assert (inside.caller.owner, inside.limits) == ("ann", Limits(active_per_owner=3))
        assert inside.approval.agents == ("*",)
        with pytest.raises(Forbidden):
            await scheduler.as_bearer("nonsense")


@pytest.mark.real_time
async def test_where_nothing_can_be_written_a_secret_cannot_be_made_but_read(real_lab: RealLab) -> None:
    async with real_lab as lab:
        writer = await lab.reach()
        lab.inspector.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], channels=["*"],
                                  categories=["+@read", "+@connection"], commands=["+info", "+time"])  # fmt: skip
        reader = await lab.reach(connect(f"unix://reader:x@{lab.socket}"))
        with pytest.raises(StoreUnusable, match=r"tokens need a secret in the store, and it cannot be written"):
            await reader.secret()
        made = await writer.new_token(ANN, lifetime=HOUR)
        assert await reader.secret() == await writer.secret()
        assert (await reader.claims_of(made.token)).caller == ANN
        lab.inspector.acl_deluser("reader")
