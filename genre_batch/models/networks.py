"""The networks by name."""

from collections.abc import Callable

from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.compact import Compact

NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {"compact": Compact}


def known(name: str) -> None:
    """Raises UsageError for a name that is not known."""
    if name not in NETWORKS:
        raise UsageError(f"no network {name!r}: there is {', '.join(sorted(NETWORKS))}")


def build(name: str, n_rows: int, n_genres: int) -> nn.Module:
    """A network with fresh weights for spectrograms of `n_rows` rows. Raises UsageError for a name that is not known."""
    known(name)
    return NETWORKS[name](n_rows, n_genres)
