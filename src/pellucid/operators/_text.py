"""Words: arrays of text, which are always NumPy's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ._table import Call, operator


@operator("StringConcat", known=(0, 1))
def concatenated(at: Call, x: Any, y: Any) -> Any:
    return np.asarray(x + y, object)


@operator("RegexFullMatch", known=(0,))
def matches(at: Call, x: Any, *, pattern: str) -> Any:
    found = [re.fullmatch(pattern, text) is not None for text in x.reshape(-1)]
    return np.array(found, bool).reshape(x.shape)


@operator("StringSplit", known=(0,))
def split(at: Call, x: Any, *, delimiter: str = "", maxsplit: int | None = None) -> tuple[Any, Any]:
    """The parts of each text, filled up with "" to the most there are, and how many there are."""
    parts = [text.split(delimiter or None, -1 if maxsplit is None else maxsplit) for text in x.reshape(-1)]
    number = np.array([len(p) for p in parts], np.int64)
    most = int(number.max(initial=0))
    rows = np.array([p + [""] * (most - len(p)) for p in parts], object)
    return rows.reshape(*x.shape, most), number.reshape(x.shape)


@operator("StringNormalizer", known=(0,))
def normalized(
    at: Call, x: Any, *,
    case_change_action: str = "NONE", is_case_sensitive: int = 0, locale: str = "", stopwords: Sequence[str] = (),
) -> Any:  # fmt: skip
    """The words that are no stop words, in one case; one "" where none is left."""
    change = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}[case_change_action]
    compared = str if is_case_sensitive else str.lower
    stops = {compared(word) for word in stopwords}
    kept = [change(word) for word in x.reshape(-1) if compared(word) not in stops] or [""]
    if x.ndim > 2 or (x.ndim == 2 and len(x) != 1):
        raise at.refuse(f"it takes one row of words, not {x.shape}")
    return np.array(kept, object).reshape((1, -1) if x.ndim == 2 else -1)


@operator("TfIdfVectorizer", known=(0,))
def term_frequencies(
    at: Call, x: Any, *,
    max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: str, ngram_counts: Sequence[int],
    ngram_indexes: Sequence[int], pool_int64s: Sequence[int] | None = None, pool_strings: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
) -> Any:  # fmt: skip
    """How often each of a pool of runs of words is in a row, the words of a run standing up to so many apart."""
    pool = list(pool_int64s or pool_strings or ())
    ends = [*ngram_counts, len(pool)]
    known: dict[tuple[Any, ...], int] = {}
    for n, (start, end) in enumerate(pairwise(ends), 1):
        for i in range(start, end, n):
            known[tuple(pool[i : i + n])] = len(known)
    rows = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(1, -1)
    counts = np.zeros((len(rows), max(ngram_indexes) + 1), np.float32)
    for row, words in zip(counts, rows.tolist(), strict=True):
        for run in runs(words, min_gram_length, max_gram_length, max_skip_count):
            if run in known:
                row[ngram_indexes[known[run]]] += 1
    factor = np.ones(counts.shape[1], np.float32)
    if weights is not None:
        factor[list(ngram_indexes)] = weights
    found = {"TF": counts, "IDF": (counts > 0) * factor, "TFIDF": counts * factor}[mode]
    return found.astype(np.float32).reshape(*x.shape[:-1], -1)


def runs(words: Sequence[Any], least: int, most: int, skip: int) -> list[tuple[Any, ...]]:
    """All runs of so many words, those with equal gaps between them too; single words once."""
    found = []
    for n in range(least, most + 1):
        for step in range(1, skip + 2 if n > 1 else 2):
            found += [tuple(words[i : i + step * n : step]) for i in range(len(words) - step * (n - 1))]
    return found
