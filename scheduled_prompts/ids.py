"""Ids of prompts and fires.

A prompt's id is a ULID: it sorts by creation. The first ten random bits hold the shard, so that whoever has an id knows
where its keys are. A fire's id names the prompt and the occurrence, and is the same whoever computes it.
"""

from __future__ import annotations

import random

from ulid import ULID

SHARD_BITS = 10
MAX_SHARDS = 1 << SHARD_BITS
ID_LENGTH = 26
SHORT_LENGTH = 8
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_prompt_id(now: int, rng: random.Random, shard: int = 0) -> str:
    return _ulid(now, (shard << (80 - SHARD_BITS)) | rng.getrandbits(80 - SHARD_BITS))


def shard_of(prompt_id: str) -> int:
    """The shard that an id was made for."""
    return _ALPHABET.index(prompt_id[10]) << 5 | _ALPHABET.index(prompt_id[11])


def scheduled_fire_id(prompt_id: str, nominal: int) -> str:
    return f"{prompt_id}@{nominal}"


def manual_fire_id(prompt_id: str, now: int, rng: random.Random) -> str:
    return f"{prompt_id}+{_ulid(now, rng.getrandbits(80))}"


def prompt_of(fire_id: str) -> str:
    """The prompt that a fire belongs to."""
    return fire_id[:ID_LENGTH]


def short(identifier: str) -> str:
    """What people are shown: the last eight characters, random ones."""
    return identifier[-SHORT_LENGTH:]


def first_instant(prefix: str) -> int:
    """The earliest creation time (ms UTC) that an id with this prefix can have."""
    return _decode(prefix[:10].ljust(10, "0"))


def last_instant(prefix: str) -> int:
    """The latest creation time (ms UTC) that an id with this prefix can have."""
    return _decode(prefix[:10].ljust(10, "Z"))


def could_be_part_of_an_id(text: str) -> bool:
    return 0 < len(text) <= ID_LENGTH and all(letter in _ALPHABET for letter in text)


def _ulid(now: int, randomness: int) -> str:
    return str(ULID.from_int((now << 80) | randomness))


def _decode(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value << 5 | _ALPHABET.index(letter)
    return value
