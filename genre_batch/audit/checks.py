"""What an audit looks for, by the names that --fail-on knows; imports nothing, so that a command line starts at once."""

from enum import StrEnum


class Check(StrEnum):
    """What may be found in a library or in shards."""

    DUPLICATES = "duplicates"
    """Pairs of tracks that are the same recording."""
    LABELS = "labels"
    """Of these, pairs of different genres."""
    LEAKAGE = "leakage"
    """Pairs that a split by artist, or the given split, has on two sides, and artists that the given split has."""
    UNREADABLE = "unreadable"
    CLIPPED = "clipped"
    SILENT = "silent"
    TRUNCATED = "truncated"
    SHORT = "short"
    BALANCE = "balance"
    """Genres far larger than others, and artists that make up much of a genre."""


FROM_RECORDINGS = (Check.CLIPPED,)
"""What spectrograms do not tell."""


class Kind(StrEnum):
    """How alike two tracks are: equal to the last bit, as stored spectrograms or as decoded sound; or heard to be one recording."""

    EXACT = "exact"
    NEAR = "near"
