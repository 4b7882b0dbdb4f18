"""Texts that nobody would type: what is right, with something done to it, and what is no text at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

ODD = (
    "", " ", "\t", "\n", "\r", "\x00", "\x1b[31m", "\u00a0", "\u2028", "\u200b", "\ufeff", "\u202e", "\ud800",
    "\udfff", "\uffff",
    "é", "ß", "İ", "ı", "ſ", "K", "𝟗", "９", "٣", "²", "½", "Ⅷ", "😀", "-", "--", "–", "+", "_", ".", "..", ",", ",,",
    ":", ";", "/", "//",
    "\\", "*", "**", "?", "#", "@", "=", "%", "%s", "{", "}", "{}", "{0}", "[", "]", "(", ")", "'", '"', "`", "$",
    "&", "|", "<", ">", "~", "!", "^",
    "0", "00", "1", "-1", "7", "13", "24", "25", "31", "32", "60", "61", "99", "100", "366", "1970", "2038", "9999",
    "10000", "1e9", "1e400",
    "nan", "inf", "-inf", "NaN", "Infinity", "null", "None", "true", "9" * 30, "9" * 400, "9" * 5000, "0x10", "1_000",
    "1.5", ".5", "5.", "1,5",
    "am", "pm", "a.m.", "st", "th", "every", "each", "at", "in", "on", "of", "and", "the", "last", "first", "between",
    "from", "to", "until",
    "next", "day", "days", "week", "month", "year", "monday", "mon-fri", "february", "29", "30", "UTC", "Z", "+25:00",
    "Europe/Berlin", "L", "W", "H", "R",
)  # fmt: skip
"""What stands for itself elsewhere, what other readers take for a number, ends of ranges, words of the grammar."""

_PIECE = re.compile(r"\w+|\s+|[^\w\s]")

noise = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=30),  # lone surrogates, too
    st.lists(st.sampled_from(ODD), max_size=12).map(" ".join),
    st.lists(st.sampled_from(ODD), max_size=12).map("".join),
    st.sampled_from(ODD).flatmap(lambda piece: st.integers(1, 4000).map(lambda n: (piece * n)[:20_000])),
)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[str]) -> str:
    """One of the seeds, after a few accidents."""
    pieces = _PIECE.findall(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.integers(0, 8))
        at = draw(st.integers(0, max(0, len(pieces) - 1)))
        if not pieces or kind == 0:
            pieces.insert(at, draw(st.sampled_from(ODD)))
        elif kind == 1:
            del pieces[at]
        elif kind == 2:
            pieces[at] = draw(st.sampled_from(ODD))
        elif kind == 3:
            other = draw(st.integers(0, len(pieces) - 1))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        elif kind == 4:
            other = _PIECE.findall(draw(st.sampled_from(seeds)))
            pieces[at:] = other[draw(st.integers(0, len(other))) :]
        elif kind == 5:
            pieces[at] = draw(st.sampled_from([str.upper, str.title, str.swapcase]))(pieces[at])
        elif kind == 6:
            pieces[at] *= draw(st.integers(2, 300))
        elif kind == 7:
            cut = draw(st.integers(0, len(pieces[at])))
            pieces[at] = pieces[at][:cut] + draw(st.text(max_size=2)) + pieces[at][cut:]
        elif kind == 8:
            pieces[at] = str(draw(st.integers(-(10**20), 10**20)))
    return "".join(pieces)[:20_000]


def texts(seeds: Sequence[str]) -> st.SearchStrategy[str]:
    """Mostly what is nearly right: pure noise is refused at the first word."""
    return st.one_of(mutated(seeds), mutated(seeds), mutated(seeds), noise)
