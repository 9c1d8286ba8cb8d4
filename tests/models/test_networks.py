"""The networks by name: each gives logits of the spectrograms it was made for."""

import pytest
import torch

from genre_batch.choices import Augmentation
from genre_batch.errors import UsageError
from genre_batch.front_end import MEL
from genre_batch.models import describe, networks
from genre_batch.models.networks import LEAST_COLUMNS, NETWORKS
from genre_batch.models.recipe import Recipe, Strength

pytestmark = pytest.mark.usefixtures("one_thread")

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


def four(name: str, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """What the network looks at, of four segments."""
    given = {"spectrograms": torch.rand(4, *shape) * 255, "descriptors": torch.randn(4, 57)}
    return {each: given[each] for each in networks.kind(name).inputs}


@pytest.mark.parametrize("name", [name for name in NETWORKS if networks.kind(name).any_length])
def test_what_takes_any_length_learns_from_the_shortest_crop(name: str):
    torch.manual_seed(0)
    network = networks.build(name, (32, 44), 3)
    network(**four(name, (32, LEAST_COLUMNS))).logsumexp(1).sum().backward()
    assert all(weights.grad is None or weights.grad.isfinite().all() for weights in network.parameters())


@pytest.mark.parametrize("name", [name for name in NETWORKS if not networks.kind(name).any_length])
def test_what_was_built_for_one_length_takes_no_other(name: str):
    rows, columns = networks.shape_for(name)
    with torch.device("meta"):
        network = networks.build(name, (rows, columns), 3).eval()
        with pytest.raises(RuntimeError, match="reduction dim"):
            network(**four(name, (rows, columns * 3 // 4)))


CROPPED, WHOLE = Recipe(augment=(Augmentation.CROP,)), Recipe(augment=(Augmentation.GAIN,))


@pytest.mark.parametrize("name", ["mini-vgg-v5", "mini-vgg-v6", "resnet34-seed", "resnet34-fusion"])
def test_no_crops_for_a_network_of_one_length(name: str):
    with pytest.raises(UsageError, match=f"^{name} takes only spectrograms as long as it was built for, and crop makes"):
        networks.refuse_crops(name, (512, 512), CROPPED)
    networks.refuse_crops(name, (512, 512), WHOLE)
    networks.refuse_crops(name, (512, 512), Recipe(augment=(Augmentation.CROP,), strength=Strength(crop_share=1.0)))


def test_no_crops_of_which_too_little_is_left():
    short = Recipe(augment=(Augmentation.CROP,), strength=Strength(crop_share=0.01))
    with pytest.raises(UsageError, match=r"^a crop_share of 0\.01 leaves 2 of the 216 columns .*, and a network needs 8: give"):
        networks.refuse_crops("timbre", (128, 216), short)
    networks.refuse_crops("timbre", (128, 800), short)
    for name in ("timbre", "compact", "crnn", "resnet34"):
        networks.refuse_crops(name, (128, 216), CROPPED)
