"""The recipe of each network, where nothing else is said."""

from dataclasses import replace

from genre_batch.choices import Schedule
from genre_batch.errors import Missing, UsageError
from genre_batch.models import recipe
from genre_batch.models.recipe import Recipe
from genre_batch.tables import storage

CHOSEN = Recipe()
"""Chosen by cross-validation between artists on GTZAN (docs/networks.md)."""

RECURRENT = replace(CHOSEN, batch_size=8)
"""Tracks, of some ten segments."""

ORIGINAL = Recipe(
    epochs=20,
    batch_size=8,
    learning_rate=5e-4,
    weight_decay=1e-4,
    schedule=Schedule.COSINE,
    label_smoothing=0.0,
    averaging=0.0,
    augment=(),
)
"""What the original project did, but that its rate fell in one step, its weights decayed through the gradient, and its batches were of 32,
which with `mini-vgg-v5` take 27 GB for their activations alone."""


def of(network: str) -> Recipe:
    if network.startswith("crnn"):
        return RECURRENT
    return CHOSEN if network.startswith(("compact", "timbre")) else ORIGINAL


def read(url: str, base: Recipe) -> Recipe:
    """A TOML file of what differs from `base`. Raises UsageError, StoreUnreachable."""
    try:
        # A byte that is no UTF-8 becomes a character that no TOML holds outside of texts.
        return recipe.read(storage.read_needed(storage.normal(url)).decode(errors="replace"), url, base)
    except Missing as error:
        raise UsageError(f"no recipe {url}: {error}") from error
