"""The networks by name."""

from genre_batch.errors import UsageError
from genre_batch.front_end import MEL, SEED_3S, SEED_10S
from genre_batch.models.compact import Compact, CompactFusion
from genre_batch.models.crnn import Crnn, CrnnFusion
from genre_batch.models.mini_vgg import MiniVggV5, MiniVggV6
from genre_batch.models.network import Network
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


def kind(name: str) -> type[Network]:
    """Raises UsageError for a name that is not known."""
    if name not in NETWORKS:
        raise UsageError(f"no network {name!r}: there is {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]


def build(name: str, shape: tuple[int, int], n_genres: int) -> Network:
    """A network with fresh weights for spectrograms of `shape`. Raises UsageError for a name that is not known."""
    return kind(name)(shape, n_genres)


def shape_for(name: str) -> tuple[int, int]:
    """The spectrograms that a network was made for; those of the preset `mel` for one that takes any."""
    kind(name)
    made_for = {"mini-vgg-v5": SEED_10S, "mini-vgg-v6": SEED_3S, "resnet34-seed": SEED_3S, "resnet34-fusion": SEED_3S}
    return made_for.get(name, MEL).spectrogram_shape
