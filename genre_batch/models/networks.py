"""The networks by name."""

from genre_batch.choices import Augmentation
from genre_batch.errors import UsageError
from genre_batch.front_end import MEL, SEED_3S, SEED_10S
from genre_batch.models.augment import columns_kept
from genre_batch.models.compact import Compact, CompactFusion
from genre_batch.models.crnn import Crnn, CrnnFusion
from genre_batch.models.mini_vgg import MiniVggV5, MiniVggV6
from genre_batch.models.network import Network
from genre_batch.models.recipe import Recipe
from genre_batch.models.resnet import ResNet34, ResNet34Fusion, ResNet34Seed
from genre_batch.models.timbre import Timbre

NETWORKS: dict[str, type[Network]] = {
    "compact": Compact,
    "compact-fusion": CompactFusion,
    "crnn": Crnn,
    "crnn-fusion": CrnnFusion,
    "timbre": Timbre,
    "resnet34": ResNet34,
    "resnet34-seed": ResNet34Seed,
    "resnet34-fusion": ResNet34Fusion,
    "mini-vgg-v5": MiniVggV5,
    "mini-vgg-v6": MiniVggV6,
}

LEAST_COLUMNS = 8
"""That a crop may leave: `compact` halves them three times, and what statistics tell of change takes two."""


def kind(name: str) -> type[Network]:
    """Raises UsageError for a name that is not known."""
    if name not in NETWORKS:
        raise UsageError(f"no network {name!r}: there is {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


def build(name: str, shape: tuple[int, int], n_genres: int) -> Network:
    """A network with fresh weights for spectrograms of `shape`. Raises UsageError for a name that is not known."""
    return kind(name)(shape, n_genres)


def refuse_crops(name: str, shape: tuple[int, int], recipe: Recipe) -> None:
    """Raises UsageError if the recipe crops spectrograms of `shape` to what the network cannot be trained on."""
    if Augmentation.CROP not in recipe.augment:
        return
    kept = columns_kept(shape[1], recipe.strength)
    if kept != shape[1] and not kind(name).any_length:
        raise UsageError(
            f"{name} takes only spectrograms as long as it was built for, and crop makes them shorter: leave crop out of --augment"
        )
    if kept < LEAST_COLUMNS:
        raise UsageError(
            f"a crop_share of {recipe.strength.crop_share:g} leaves {kept} of the {shape[1]} columns of a spectrogram, and a network needs "
            f"{LEAST_COLUMNS}: give a larger crop_share, or leave crop out of --augment"
        )


def shape_for(name: str) -> tuple[int, int]:
    """The spectrograms that a network was made for; those of the preset `mel` for one that takes any."""
    kind(name)
    made_for = {"mini-vgg-v5": SEED_10S, "mini-vgg-v6": SEED_3S, "resnet34-seed": SEED_3S, "resnet34-fusion": SEED_3S}
    return made_for.get(name, MEL).spectrogram_shape
