"""An ordered list of genre names; a genre's class index is its place in the list."""

from collections.abc import Iterable
from dataclasses import dataclass

from genre_batch.errors import UsageError
from schemas.features import GENRES

UNKNOWN = "unknown"
"""The label of a track whose confidence is too low to name a genre."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The genres a model tells apart, in the order of its outputs. Raises UsageError on none, doubles or `unknown`."""

    genres: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.genres or len(set(self.genres)) != len(self.genres):
            raise UsageError(f"a taxonomy needs distinct genres, not {list(self.genres)}")
        if UNKNOWN in self.genres:
            raise UsageError(f"{UNKNOWN!r} is what an uncertain track is called: it cannot be a genre of its own")

    @classmethod
    def of(cls, names: Iterable[str]) -> "Taxonomy":
        """The distinct names in alphabetical order."""
        return cls(tuple(sorted(set(names))))

    def index(self, genre: str) -> int:
        return self.genres.index(genre)

    def __len__(self) -> int:
        return len(self.genres)


GTZAN = Taxonomy(GENRES)
"""The ten genres of GTZAN (Tzanetakis and Cook 2002)."""
