"""What a run found, in short: how many tracks of each genre and of each reason of rejection, and histograms of three quantities.

Profiles of parts add up to the profile of the whole, so each worker makes one of its tracks and none needs the rows again. The runs
table keeps one a run; `drift` compares two. Imports numpy alone: a worker starts with it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from schemas.runs import CONFIDENCE_EDGES, DURATION_EDGES_S, LOUDNESS_EDGES_DB

COLUMNS = ("genres", "reasons", "confidence", "duration", "loudness")
"""Of the runs table."""


def _none(edges: Sequence[float]) -> tuple[int, ...]:
    return (0,) * (len(edges) + 1)


@dataclass(frozen=True)
class Profile:
    """Tracks by genre (`unknown` is one), rejects by reason, and tracks by bin of confidence, duration_s and loudness_db (edges in
    schemas.runs). A genre or reason that no track has is not there, so that equal profiles are equal."""

    genres: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    confidence: tuple[int, ...] = _none(CONFIDENCE_EDGES)
    duration: tuple[int, ...] = _none(DURATION_EDGES_S)
    loudness: tuple[int, ...] = _none(LOUDNESS_EDGES_DB)

    @property
    def labelled(self) -> int:
        return sum(self.genres.values())

    @property
    def tried(self) -> int:
        return self.labelled + sum(self.reasons.values())

    @classmethod
    def of(cls, labels: Iterable[Mapping[str, Any]], rejects: Iterable[Mapping[str, Any]]) -> Self:
        """labels: rows with genre, confidence, duration_s and loudness_db, of which the last three may be None and are then in no bin;
        rejects: rows with reason. Such as go to the tables, or come from them."""
        labels = list(labels)
        return cls(
            dict(Counter(row["genre"] for row in labels)),
            dict(Counter(row["reason"] for row in rejects)),
            _binned((row["confidence"] for row in labels), CONFIDENCE_EDGES),
            _binned((row["duration_s"] for row in labels), DURATION_EDGES_S),
            _binned((row["loudness_db"] for row in labels), LOUDNESS_EDGES_DB),
        )

    def __add__(self, other: Self) -> Self:
        return type(self)(
            dict(Counter(self.genres) + Counter(other.genres)),
            dict(Counter(self.reasons) + Counter(other.reasons)),
            _added(self.confidence, other.confidence),
            _added(self.duration, other.duration),
            _added(self.loudness, other.loudness),
        )

    def to_row(self) -> dict[str, Any]:
        """The columns COLUMNS of the runs table, maps as pairs in the order of their keys."""
        return {
            "genres": sorted(self.genres.items()),
            "reasons": sorted(self.reasons.items()),
            "confidence": list(self.confidence),
            "duration": list(self.duration),
            "loudness": list(self.loudness),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """From these columns, as Arrow gives them. Null is nothing counted, and so is a histogram that a version with other edges
        wrote: what cannot be compared must not look as if it could."""
        return cls(
            {genre: n for genre, n in dict(row["genres"] or ()).items() if n},
            {reason: n for reason, n in dict(row["reasons"] or ()).items() if n},
            _histogram(row["confidence"], CONFIDENCE_EDGES),
            _histogram(row["duration"], DURATION_EDGES_S),
            _histogram(row["loudness"], LOUDNESS_EDGES_DB),
        )


def _binned(values: Iterable[float | None], edges: Sequence[float]) -> tuple[int, ...]:
    known = [value for value in values if value is not None]
    bins = np.searchsorted(edges, known, side="right")
    return tuple(np.bincount(bins, minlength=len(edges) + 1).tolist())


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _histogram(counts: Sequence[int] | None, edges: Sequence[float]) -> tuple[int, ...]:
    return tuple(counts) if counts and len(counts) == len(edges) + 1 else _none(edges)
