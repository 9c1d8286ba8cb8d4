"""The networks by name: each gives logits of the spectrograms it was made for."""

import pytest
import torch

from genre_batch.errors import UsageError
from genre_batch.front_end import MEL
from genre_batch.models import describe, networks
from genre_batch.models.networks import NETWORKS

MOST = 500_000


def test_these_are_known():
    assert sorted(NETWORKS) == [
        "compact", "compact-fusion", "crnn", "crnn-fusion", "mini-vgg-v5", "mini-vgg-v6", "resnet34", "resnet34-fusion", "resnet34-seed",
        "timbre",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_each_gives_logits_for_what_it_was_made_for(name: str):
    kind, shape = networks.kind(name), networks.shape_for(name)
    with torch.device("meta"):
        network = networks.build(name, shape, 7).eval()
        assert type(network) is kind
        given = {"spectrograms": torch.empty((3, *shape)), "descriptors": torch.empty((3, 57))}
        logits = network(**{each: given[each] for each in network.inputs}, lengths=torch.tensor([2, 1], device="cpu"))
    assert logits.shape == (3, 7)
    assert kind.inputs == (("spectrograms", "descriptors") if name.endswith("fusion") else ("spectrograms",))
    assert kind.recurrent is name.startswith("crnn")


@pytest.mark.parametrize("name", ["compact", "compact-fusion", "crnn", "crnn-fusion"])
def test_ours_are_small(name: str):
    assert describe.parameters(networks.kind(name), MEL.spectrogram_shape, 10) <= MOST


def test_what_they_were_made_for():
    assert networks.shape_for("mini-vgg-v5") == (480, 640)
    assert {networks.shape_for(name) for name in ("mini-vgg-v6", "resnet34-seed", "resnet34-fusion")} == {(512, 512)}
    assert networks.shape_for("crnn") == networks.shape_for("resnet34") == MEL.spectrogram_shape


@pytest.mark.parametrize("ask", [networks.kind, networks.shape_for, lambda name: networks.build(name, (32, 44), 2)])
def test_a_name_that_is_not_known(ask: object):
    with pytest.raises(
        UsageError, match=r"^no network 'vgg': there is compact, compact-fusion, crnn, crnn-fusion, mini-vgg-v5, "
    ):
        ask("vgg")
