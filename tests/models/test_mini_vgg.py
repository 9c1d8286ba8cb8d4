"""The original's plain CNNs: layer for layer, parameter for parameter, but for the dropout that is mended."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.describe import parameters
from genre_batch.models.mini_vgg import MiniVgg, MiniVggV5, MiniVggV6, centred

SMALL = (40, 48)


def levels(n: int, shape: tuple[int, int] = SMALL, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8))


def on_meta(network_class: type[MiniVgg], shape: tuple[int, int]) -> MiniVgg:
    with torch.device("meta"):
        return network_class(shape, 10)


def counts(module: nn.Module) -> list[int]:
    """Parameters of each layer that has some."""
    sizes = [sum(own.numel() for own in layer.parameters(recurse=False)) for layer in module.modules()]
    return [size for size in sizes if size]


@pytest.mark.parametrize(
    ("network_class", "shape", "expected"), [(MiniVggV5, (480, 640), 314_866_794), (MiniVggV6, (512, 512), 71_831_146)]
)
def test_it_has_the_parameters_of_the_original(network_class: type[MiniVgg], shape: tuple[int, int], expected: int):
    assert parameters(network_class, shape, 10) == expected


def test_each_layer_of_v5_has_the_parameters_on_the_slide():
    network = on_meta(MiniVggV5, (480, 640))
    convolutions = [320, 64, 9_248, 64, 18_496, 128, 36_928, 128, 73_856, 256, 147_584, 256]
    assert counts(network.trunk) == convolutions
    assert sum(convolutions) == 287_328
    assert counts(network.head) == [314_573_312, 1_024, 5_130]


@pytest.mark.parametrize(("network_class", "blocks"), [(MiniVggV5, 3), (MiniVggV6, 5)])
def test_the_layers_stand_in_the_original_order(network_class: type[MiniVgg], blocks: int):
    network = on_meta(network_class, (64, 64))
    names = [type(layer).__name__ for layer in network.modules() if not list(layer.children())]
    block = ["Conv2d", "ReLU", "BatchNorm2d"] * 2 + ["MaxPool2d", "Dropout2d"]
    assert names == block * blocks + ["Flatten", "Linear", "ReLU", "BatchNorm1d", "Dropout", "Linear"]
    assert all(layer.p == 0.25 for layer in network.modules() if isinstance(layer, nn.Dropout | nn.Dropout2d))


def test_black_is_minus_one_and_white_is_one():
    found = centred(torch.tensor([[[0, 255], [51, 204]]], dtype=torch.uint8))
    torch.testing.assert_close(found, torch.tensor([[[[-1, 1], [-0.6, 0.6]]]]))


def test_bytes_and_floats_of_the_same_levels_are_the_same():
    network = MiniVggV5(SMALL, 3).eval()
    with torch.no_grad():
        assert torch.equal(network(levels(2)), network(levels(2).float()))


def test_a_segment_is_judged_for_itself():
    torch.manual_seed(0)
    network = MiniVggV6(SMALL, 3).eval()
    batch = levels(4)
    with torch.no_grad():
        alone = torch.cat([network(batch[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(network(batch), alone, rtol=0, atol=1e-5)
    assert alone.shape == (4, 3)
    assert len(alone.unique(dim=0)) == 4


def test_the_head_drops_features_not_segments():
    network = MiniVggV5(SMALL, 10).train()
    assert not [layer for layer in network.modules() if isinstance(layer, nn.Dropout1d)]
    (dropout,) = [layer for layer in network.head.modules() if isinstance(layer, nn.Dropout)]
    torch.manual_seed(0)
    kept = dropout(torch.ones(256, 512)) > 0
    assert 0.74 < kept.float().mean() < 0.76
    assert kept.any(dim=1).all()
    assert not kept.all(dim=1).any()


def test_the_original_dropout_dropped_segments():
    """What was mended: were this to change in torch, the note in the module would be wrong."""
    torch.manual_seed(0)
    kept = nn.Dropout1d(0.25).train()(torch.ones(256, 512)) > 0
    assert torch.equal(kept.any(dim=1), kept.all(dim=1))
    assert 0.6 < kept.any(dim=1).float().mean() < 0.9


@pytest.mark.parametrize(("network_class", "least"), [(MiniVggV5, 8), (MiniVggV6, 32)])
def test_the_smallest_shape_works_and_smaller_ones_are_refused(network_class: type[MiniVgg], least: int):
    network = network_class((least, least), 10).eval()
    assert network.head[1].in_features == network_class.channels[-1]
    assert network(levels(1, (least, least))).shape == (1, 10)
    for shape in [(least - 1, 640), (640, least - 1)]:
        with pytest.raises(UsageError, match=rf"{shape[0]} × {shape[1]} are too small .* at least {least} × {least}, or"):
            network_class(shape, 10)


@pytest.mark.parametrize("network_class", [MiniVggV5, MiniVggV6])
def test_every_weight_learns_and_the_loss_falls(network_class: type[MiniVgg]):
    torch.manual_seed(0)
    network = network_class(SMALL, 3).train()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout | nn.Dropout2d):
            layer.p = 0.0  # or chance, not the weights, would decide between so few steps
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    batch, genres = levels(12), torch.arange(12) % 3
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(batch), genres)
        loss.backward()
        losses.append(loss.item())
        still = [name for name, own in network.named_parameters() if own.grad is None or not own.grad.any()]
        assert still == []
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("network_class", [MiniVggV5, MiniVggV6])
def test_onnx_says_what_torch_says(network_class: type[MiniVgg]):
    torch.manual_seed(0)
    network = network_class(SMALL, 3).train()
    for seed in range(4):
        network(levels(8, seed=seed))  # so that no statistic is what it was at first
    program = torch.onnx.export(
        network.eval(),
        (levels(2),),
        input_names=["spectrograms"],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        dynamo=True,
        verbose=False,
    )

    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for n in (1, 5):
        with torch.no_grad():
            expected = network(levels(n, seed=9)).numpy()
        (found,) = session.run(None, {"spectrograms": levels(n, seed=9).numpy()})
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        assert np.ptp(expected) > 0.01, "or equal logits would pass too"
