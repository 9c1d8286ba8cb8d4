"""The table of layers: the original's slide, the totals, and networks whose layers are not convolutions."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.describe import describe, parameters
from genre_batch.models.mini_vgg import MiniVggV5, MiniVggV6
from genre_batch.models.network import Network
from genre_batch.models.resnet import ResNet34, ResNet34Fusion, ResNet34Seed


def cells(text: str) -> list[list[str]]:
    """Of each line the parts that two spaces or more keep apart."""
    return [[part.strip() for part in line.split("  ") if part.strip()] for line in text.splitlines()]


def test_v5_is_described_as_on_the_slide():
    table = cells(describe(MiniVggV5, (480, 640), 10))
    assert table[2:10] == [
        ["Conv2d-1", "[-1, 32, 480, 640]", "320"],
        ["ReLU-2", "[-1, 32, 480, 640]", "0"],
        ["BatchNorm2d-3", "[-1, 32, 480, 640]", "64"],
        ["Conv2d-4", "[-1, 32, 480, 640]", "9,248"],
        ["ReLU-5", "[-1, 32, 480, 640]", "0"],
        ["BatchNorm2d-6", "[-1, 32, 480, 640]", "64"],
        ["MaxPool2d-7", "[-1, 32, 240, 320]", "0"],
        ["Dropout2d-8", "[-1, 32, 240, 320]", "0"],
    ]
    assert table[26:32] == [
        ["Flatten-25", "[-1, 614400]", "0"],
        ["Linear-26", "[-1, 512]", "314,573,312"],
        ["ReLU-27", "[-1, 512]", "0"],
        ["BatchNorm1d-28", "[-1, 512]", "1,024"],
        ["Dropout-29", "[-1, 512]", "0"],
        ["Linear-30", "[-1, 10]", "5,130"],
    ]
    assert table[33:] == [
        ["parameters", "314,866,794"],
        ["trainable", "314,866,794"],
        ["input", "1.17 MiB"],
        ["forward and backward", "857.83 MiB"],
        ["weights", "1,201.12 MiB"],
    ]


@pytest.mark.parametrize(
    ("network_class", "shape"),
    [(MiniVggV6, (512, 512)), (ResNet34Seed, (512, 512)), (ResNet34Fusion, (512, 512)), (ResNet34, (128, 217))],
)
def test_the_rows_add_up_to_the_total(network_class: type[Network], shape: tuple[int, int]):
    table = cells(describe(network_class, shape, 10))
    rows = [row for row in table if len(row) == 3][1:]
    assert sum(int(row[2].replace(",", "")) for row in rows) == parameters(network_class, shape, 10)
    assert rows[-1][1] == "[-1, 10]"


def test_a_layer_that_only_passes_on_is_no_layer():
    """A shortcut without a convolution is an empty Sequential."""
    assert "Sequential" not in describe(ResNet34Seed, (512, 512), 10)


class Recurrent(Network):
    """Reads lengths, has a layer that answers with its state too, and one with weights beside parts of its own."""

    inputs: ClassVar[tuple[str, ...]] = ("spectrograms", "descriptors")

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        self.frozen = nn.Linear(shape[0] * shape[1] + 57, 8)
        self.frozen.requires_grad_(False)
        self.over_time = nn.GRU(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Linear(8, n_genres)

    def forward(
        self, spectrograms: torch.Tensor, descriptors: torch.Tensor | None = None, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        features = self.frozen(torch.cat([spectrograms.flatten(1), descriptors], dim=1))
        tracks = nn.utils.rnn.pad_sequence(features.split(lengths.tolist()), batch_first=True)
        states, _ = self.over_time(tracks)
        attended, _ = self.attention(states, states, states)
        return self.last(attended.mean(dim=1))


def test_networks_over_tracks_are_described_too():
    table = cells(describe(Recurrent, (4, 5), 3))
    assert table[2:6] == [
        ["Linear-1", "[-1, 8]", str(77 * 8 + 8)],
        ["GRU-2", "[-1, 1, 8]", str(2 * 3 * 8 * 8 + 2 * 3 * 8)],
        ["MultiheadAttention-3", "[-1, 1, 8]", str(4 * 8 * 8 + 4 * 8)],
        ["Linear-4", "[-1, 3]", str(8 * 3 + 3)],
    ]
    assert table[7:9] == [["parameters", "1,371"], ["trainable", "747"]]


def test_memory_is_that_of_one_segment():
    table = dict(row for row in cells(describe(Recurrent, (1024, 1024), 3)) if len(row) == 2)
    assert table["input"] == "4.00 MiB"
    assert table["weights"] == f"{((1024**2 + 57) * 8 + 8 + 432 + 288 + 27) * 4 / 1024**2:.2f} MiB"
    assert table["forward and backward"] == "0.00 MiB"


def test_a_shape_too_small_is_refused():
    with pytest.raises(UsageError, match="too small"):
        describe(MiniVggV6, (128, 20), 10)
    with pytest.raises(UsageError, match="too small"):
        parameters(ResNet34Seed, (32, 44), 10)


def test_no_number_is_drawn():
    """Asking what a network is made of changes nothing of a run that follows."""
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    describe(ResNet34, (128, 217), 10)
    assert torch.equal(torch.random.get_rng_state(), before)
