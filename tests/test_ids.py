"""Ids: what can be read off them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduled_prompts import ids

NOW = 1_767_225_600_000
instants = st.integers(min_value=0, max_value=2**48 - 1)


@given(instants, st.integers(min_value=0, max_value=ids.MAX_SHARDS - 1))
def test_an_id_says_its_shard_and_its_instant(now: int, shard: int) -> None:
    prompt_id = ids.new_prompt_id(now, random.Random(1), shard)
    assert len(prompt_id) == ids.ID_LENGTH
    assert ids.shard_of(prompt_id) == shard
    assert ids.first_instant(prompt_id) == ids.last_instant(prompt_id) == now


@given(instants, instants)
def test_ids_sort_by_creation(one: int, other: int) -> None:
    rng = random.Random(1)
    first, second = ids.new_prompt_id(one, rng), ids.new_prompt_id(other, rng)
    if one != other:
        assert (first < second) == (one < other)


@given(instants, st.integers(min_value=1, max_value=26))
def test_a_beginning_of_an_id_bounds_its_instant(now: int, length: int) -> None:
    part = ids.new_prompt_id(now, random.Random(1))[:length]
    assert ids.first_instant(part) <= now <= ids.last_instant(part)


def test_ids_of_one_millisecond_differ() -> None:
    rng = random.Random(1)
    assert len({ids.new_prompt_id(NOW, rng) for _ in range(1_000)}) == 1_000


def test_the_same_randomness_gives_the_same_id() -> None:
    assert ids.new_prompt_id(NOW, random.Random(7)) == ids.new_prompt_id(NOW, random.Random(7))


def test_a_fire_is_named_after_its_prompt_and_its_occurrence() -> None:
    prompt_id = ids.new_prompt_id(NOW, random.Random(1))
    assert ids.scheduled_fire_id(prompt_id, NOW + 1) == f"{prompt_id}@{NOW + 1}"
    manual = ids.manual_fire_id(prompt_id, NOW, random.Random(2))
    assert manual.startswith(f"{prompt_id}+")
    assert len(manual) == 53
    assert {ids.prompt_of(ids.scheduled_fire_id(prompt_id, NOW)), ids.prompt_of(manual)} == {prompt_id}


def test_people_see_the_last_eight_characters() -> None:
    assert ids.short("01KDVDNA000016QAMMAQHYE1M2") == "AQHYE1M2"


@pytest.mark.parametrize("text", ["", "0" * 27, "ABC-1", "abc", "I", "L", "O", "U", "A B", "Ä"])
def test_what_cannot_be_part_of_an_id(text: str) -> None:
    assert not ids.could_be_part_of_an_id(text)


@pytest.mark.parametrize("text", ["0", "01KDVDNA000016QAMMAQHYE1M2", "Z"])
def test_what_can_be_part_of_an_id(text: str) -> None:
    assert ids.could_be_part_of_an_id(text)
