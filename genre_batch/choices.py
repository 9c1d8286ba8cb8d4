"""What a user chooses between; apart from the modules that act on it, so that a command line starts at once."""

from enum import StrEnum


class Layout(StrEnum):
    """How a library says what it holds: the first folder is the genre, nothing is said, or a table says it."""

    GENRE_FOLDERS = "genre-folders"
    TREE = "tree"
    MANIFEST = "manifest"


class Redo(StrEnum):
    """What is done again although it is in the tables: nothing, the rejected tracks, or all."""

    NOTHING = "nothing"
    REJECTED = "rejected"
    ALL = "all"


class Grouping(StrEnum):
    """What must not stand on both sides of a split: an artist (a track where the artist is unknown), or only a track."""

    ARTIST = "artist"
    TRACK = "track"
