"""Keys are spelled in two places, Python and Lua: the same, and all under one hash tag."""

from __future__ import annotations

import re

import pytest

from scheduled_prompts.store import Store
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.records import Cancelled
from scheduled_prompts.store.script import _PRELUDE, ALL, Script
from scheduled_prompts.testing import VirtualClock
from tests.conftest import Lab
from tests.store.conftest import RealLab
from tests.store.steps import (
    EVERYTHING,
    HOUR,
    LEASE,
    approved,
    claim_for,
    claimed,
    damage,
    edited,
    manual_for,
    new_prompt,
    paused,
    pending,
    queued,
    read,
    reap,
    resumed,
    retrying,
    running,
    saved,
    settled,
    skipping,
    take,
    taken,
)

KEYS = Keys("ns", 7)

SPELLED = {
    "P": KEYS.prefix,
    "KEYS[1]": KEYS.meta,
    "prompt_key('x')": KEYS.prompt("x"),
    "by_key('status', 'active')": KEYS.by("status", "active"),
    "key_key('ann', 'daily')": KEYS.key("ann", "daily"),
    "key_key('', 'daily')": KEYS.key(None, "daily"),
    "active_key('owner:ann')": KEYS.active("owner", "ann"),
    "active_key('owner:')": KEYS.active("owner", None),
    "rate_key('owner:ann')": KEYS.rate("owner", "ann"),
    "turns_key('conversation:c')": KEYS.turns("conversation", "c"),
    "due_key('chat')": KEYS.due("chat"),
    "fire_key('x@1')": KEYS.fire("x@1"),
    "live_key('x')": KEYS.live("x"),
    "history_key('x')": KEYS.history("x"),
    "spans_key('x')": KEYS.spans("x"),
    "version_key('x')": KEYS.version("x"),
    "parked_key('owner:ann')": KEYS.parked("owner:ann"),
    "slots_key('owner:ann')": KEYS.slots("owner:ann"),
    "fair_key": KEYS.fair,
    "parked_limits_key": KEYS.parked_limits,
    "ended_key(7)": KEYS.ended(7),
    "spend_key('owner:ann')": KEYS.spend("owner:ann"),
    "quarantine_key": KEYS.quarantine,
    "approvals_key": KEYS.approvals,
    "halts_key": KEYS.halts,
    "platforms_key": KEYS.platforms,
    "events_key": KEYS.events,
    "P .. 'changes'": KEYS.changes,
}


@pytest.mark.parametrize("expression", SPELLED)
async def test_python_and_lua_spell_a_key_alike(lab: Lab, expression: str) -> None:
    source = f"{_PRELUDE}\nreturn {expression}"
    assert lab.inspector.eval(source, 1, KEYS.meta, "", "0") == SPELLED[expression]


def test_every_key_that_the_prelude_spells_starts_with_the_hash_tag() -> None:
    spelled = re.findall(r"^local (?:function )?\w+_key\b.*$", _PRELUDE, re.MULTILINE)
    assert len(spelled) >= 12
    assert all("P .." in line for line in spelled)


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_a_script_spells_no_key_but_by_the_prelude(script: Script) -> None:
    calls = re.findall(r"(?:redis\.p?call|if_usable)\(\s*([^,]+),\s*([^\n]*)", script.body)
    assert script.name == "extend" or calls
    assert "'{" not in script.body
    assert not [rest for _, rest in calls if rest.startswith(("'", '"', "P .."))]


def functions_in(code: str) -> set[str]:
    return set(re.findall(r"^(?:local function )?(\w+)(?= = function|\()", code, re.MULTILINE))


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_a_script_has_the_functions_of_the_prelude_that_it_calls(script: Script) -> None:
    called = set(re.findall(r"(?<![.\w])(\w+)\(", re.sub(r"--.*", "", script.source)))
    assert called & functions_in(_PRELUDE) <= functions_in(script.source)
    assert len(script.source) <= len(_PRELUDE) + len(script.body) + 2


async def virtual_store(lab: Lab, url: str) -> Store:
    return await lab.stack.enter_async_context(Store(url, namespace=lab.namespace, clock=VirtualClock()))


async def test_every_script_touches_only_keys_and_channels_of_its_namespace(real_lab: RealLab) -> None:
    user = f"only-{real_lab.namespace}"
    real_lab.inspector.execute_command(
        "ACL", "SETUSER", user, "on", ">secret", "+@all", f"~{real_lab.prefix}*", "resetchannels",
        f"&{real_lab.prefix}changes",
    )  # fmt: skip
    try:
        async with real_lab:
            store = await virtual_store(real_lab, f"unix://{user}@{real_lab.socket}?password=secret")
            prompt = await saved(store, owner="ann", agent="bot", key="k", platform="chat")
            now = store.clock.now()
            assert await store.retime(prompt, now, now)
            assert await store.create(new_prompt(store, owner="ann", key="k")) == prompt.id
            await store.claim([manual_for(store, prompt)])
            await settled(store, await taken(store))
            once = await saved(store, once=True, key="o")
            await store.claim([claim_for(once, missed_from=0)])
            await settled(store, await taken(store))
            await retrying(store)
            lease = await running(store)
            await store.extend([(lease.fire.id, lease.token, 1)], lease_ms=LEASE)
            await store.look(overdue=now, serves=EVERYTHING)
            await store.heartbeat("d", "{}")
            await store.clock.sleep(120)
            assert len(await reap(store)) == 2
            await queued(store)
            await store.cancel(prompt.id)
            changing = await saved(store, owner="ann", agent="bot", platform="chat")
            await claimed(store, changing)
            await edited(store, changing, text="new", platform="mail", agent="clerk")
            await edited(store, changing, next_at=store.clock.now() + 5 * HOUR)
            await skipping(store, changing, store.clock.now() + 6 * HOUR)
            await resumed(store, await paused(store, changing), next_at=store.clock.now() + 7 * HOUR)
            await approved(store, await pending(store, agent="bot"), next_at=store.clock.now() + HOUR)
            await store.reject((await pending(store)).id)
            await pending(store, seconds=0)
            assert len(await store.expire_approvals()) == 1
            assert (await store.approvals())[0] == 0
            assert await store.quarantine(await read(store, changing), "broken")
            await edited(store, changing, next_at=store.clock.now() + 8 * HOUR)
            assert await store.cancel_fire(await queued(store)) == "ended"
            await queued(store, max_cost="0.50", budget_day=1, owner="ann")
            held = (await take(store)).leases
            await store.stop_all(cancel_running=True)
            assert len(await store.halts()) == 1
            assert await store.start_all() is not None
            assert len(await store.sums(["all", "owner:ann"])) == 2
            for one in held:
                await settled(store, one)
            wrong = await saved(store)
            damage(real_lab, f"prompt:{wrong.id}")
            assert isinstance(await store.cancel(wrong.id), Cancelled)
            assert (await store.purge([await read(store, changing)], store.clock.now() + HOUR)).fires == 1
            over = [await read(store, prompt), await read(store, once)]
            assert (await store.purge(over, store.clock.now() + 1)).prompts == 2
            log = real_lab.inspector.execute_command("ACL", "LOG")
            assert not [entry for entry in log if user in str(entry)]
    finally:
        real_lab.inspector.execute_command("ACL", "DELUSER", user)


async def test_two_namespaces_on_one_server_do_not_see_each_other(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        await queued(store)
        before = lab.keys()
        lab.namespace += "2"
        other = await lab.store(seed=1)
        assert await other.newest_ids(None, None, 10) == []
        await claimed(other, await saved(other))
        assert isinstance(await other.cancel((await saved(other)).id), Cancelled)
        lab.clear()
        lab.namespace = lab.namespace[:-1]
        assert lab.keys() == before


@pytest.mark.parametrize("arguments", ["op now mode", "op now prompt mode", "op now mode prompt more", ""])
def test_a_header_that_says_other_arguments_than_python_passes_is_refused_at_import(arguments: str) -> None:
    with pytest.raises(RuntimeError, match=re.escape("scripts/save.lua says")):
        Script("save", arguments)


def test_a_script_is_not_called_with_an_argument_missing_or_too_many() -> None:
    script = Script("save", "op now mode prompt")
    with pytest.raises(KeyError):
        script.argv({"op": "", "now": 0, "mode": "create"})
    with pytest.raises(KeyError):
        script.argv({"op": "", "now": 0, "mode": "create", "promt": ""})
    with pytest.raises(KeyError):
        script.argv({"op": "", "now": 0, "mode": "create", "prompt": "", "more": ""})


def test_all_scripts_are_registered_once() -> None:
    assert len({script.sha for script in ALL}) == len({script.name for script in ALL}) == len(ALL)
