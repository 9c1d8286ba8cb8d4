"""Residual networks: the published one, and the original's, layer for layer and with descriptors."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.describe import parameters
from genre_batch.models.network import Network
from genre_batch.models.resnet import BasicBlock, ResNet34, ResNet34Fusion, ResNet34Seed
from schemas.descriptors import NAMES

FULL, SMALL = (512, 512), (64, 96)
NETWORKS = [ResNet34, ResNet34Seed, ResNet34Fusion]
DEVIATIONS = np.logspace(-3, 6, 57)
"""As far apart as those of real descriptors."""
MEANS = 3 * DEVIATIONS * np.cos(np.arange(57))


def levels(n: int, shape: tuple[int, int] = SMALL, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8))


def described(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(MEANS, DEVIATIONS, (n, 57))).float()


def given(network: Network, n: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    both = {"spectrograms": levels(n, seed=seed), "descriptors": described(n, seed)}
    return tuple(both[name] for name in network.inputs)


def seen(network_class: type[Network], shape: tuple[int, int], kinds: type | tuple[type, ...]) -> list[tuple[int, ...]]:
    """Channels, rows and columns after each module of `kinds`, in the order in which they run."""
    shapes: list[tuple[int, ...]] = []
    with torch.device("meta"):
        network = network_class(shape, 10).eval()
        inputs = {"spectrograms": torch.empty((1, *shape)), "descriptors": torch.empty((1, 57))}
        for module in network.modules():
            if isinstance(module, kinds):
                module.register_forward_hook(lambda *seen: shapes.append(tuple(seen[2].shape[1:])))
        network(*(inputs[name] for name in network.inputs))
    return shapes


def blocks(network: Network) -> list[BasicBlock]:
    return [module for module in network.modules() if isinstance(module, BasicBlock)]


def of_torchvision() -> int:
    """ResNet-34 as torchvision publishes it, less two of three channels and 990 of 1,000 classes."""
    return 21_797_672 - 2 * 64 * 7 * 7 - 990 * (512 + 1)


@pytest.mark.parametrize(
    ("network_class", "expected"),
    [(ResNet34Seed, 19_722_450), (ResNet34Fusion, 19_779_450), (ResNet34, of_torchvision())],
)
def test_it_has_the_parameters_of_its_model(network_class: type[Network], expected: int):
    assert parameters(network_class, FULL, 10) == expected


@pytest.mark.parametrize("network_class", [ResNet34Seed, ResNet34Fusion])
def test_every_shape_of_the_original(network_class: type[Network]):
    assert seen(network_class, FULL, (nn.MaxPool2d, nn.AvgPool2d)) == [(64, 129, 129), (512, 4, 4)]
    assert seen(network_class, FULL, nn.Conv2d)[0] == (64, 259, 259)
    stages = [(64, 129), (64, 65), (128, 65), (128, 33), (256, 33), (256, 17), (512, 17), (512, 9)]
    assert seen(network_class, FULL, BasicBlock) == [(channels, size, size) for channels, size in stages]
    assert seen(network_class, FULL, nn.Flatten) == ([(8_192,)] if network_class is ResNet34Seed else [(8_249,)])


def test_every_shape_of_the_published_one():
    assert seen(ResNet34, (224, 224), nn.Conv2d)[0] == (64, 112, 112)
    stages = [(64, 56)] * 3 + [(128, 28)] * 4 + [(256, 14)] * 6 + [(512, 7)] * 3
    assert seen(ResNet34, (224, 224), BasicBlock) == [(channels, size, size) for channels, size in stages]


@pytest.mark.parametrize(("network_class", "n"), [(ResNet34, 16), (ResNet34Seed, 8), (ResNet34Fusion, 8)])
def test_the_number_of_blocks(network_class: type[Network], n: int):
    assert len(blocks(network_class(SMALL, 10))) == n


def test_a_block_adds_what_it_computes_to_what_it_got():
    torch.manual_seed(0)
    block = BasicBlock(4, 4, stride=1).eval()
    nn.init.zeros_(block.body[-1].weight)
    maps = torch.randn(2, 4, 5, 6)
    assert torch.equal(block(maps), maps.relu())
    before = maps.clone()
    BasicBlock(4, 4, stride=1).eval()(maps)
    assert torch.equal(maps, before), "its input is left as it was"
    assert BasicBlock(4, 8, stride=2).eval()(maps).shape == (2, 8, 3, 3)


@pytest.mark.parametrize("network_class", [ResNet34Seed, ResNet34Fusion])
def test_the_smallest_shape_works_and_smaller_ones_are_refused(network_class: type[Network]):
    network = network_class((62, 62), 10).eval()
    inputs = {"spectrograms": levels(1, (62, 62)), "descriptors": described(1)}
    assert network(*(inputs[name] for name in network.inputs)).shape == (1, 10)
    for shape in [(61, 512), (512, 61)]:
        with pytest.raises(UsageError, match=rf"{shape[0]} × {shape[1]} are too small .* at least 62 × 62, or"):
            network_class(shape, 10)


@pytest.mark.parametrize("shape", [(1, 1), (32, 44), (128, 517)])
def test_the_published_one_takes_any_shape(shape: tuple[int, int]):
    network = ResNet34(shape, 7).eval()
    assert network(levels(2, shape)).shape == (2, 7)


@pytest.mark.parametrize("network_class", NETWORKS)
def test_a_segment_is_judged_for_itself(network_class: type[Network]):
    torch.manual_seed(0)
    network = network_class(SMALL, 3).eval()
    both = given(network, 4)
    with torch.no_grad():
        alone = torch.cat([network(*(each[i : i + 1] for each in both)) for i in range(4)])
        torch.testing.assert_close(network(*both), alone, rtol=1e-4, atol=1e-4)
    assert len(alone.unique(dim=0)) == 4


@pytest.mark.parametrize("network_class", [ResNet34Seed, ResNet34Fusion])
def test_the_head_drops_features_not_segments(network_class: type[Network]):
    network = network_class(SMALL, 10).train()
    assert not [layer for layer in network.modules() if isinstance(layer, nn.Dropout1d)]
    (dropout,) = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
    assert dropout.p == 0.25
    torch.manual_seed(0)
    kept = dropout(torch.ones(256, 1000)) > 0
    assert 0.74 < kept.float().mean() < 0.76
    assert kept.any(dim=1).all()
    assert not kept.all(dim=1).any()


@pytest.mark.parametrize("network_class", [ResNet34, ResNet34Fusion])
def test_every_weight_learns_and_the_loss_falls(network_class: type[Network]):
    torch.manual_seed(0)
    network = network_class(SMALL, 3).train()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout | nn.Dropout2d):
            layer.p = 0.0  # or chance, not the weights, would decide between so few steps
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    both, genres = given(network, 12), torch.arange(12) % 3
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(*both), genres)
        loss.backward()
        losses.append(loss.item())
        still = [name for name, own in network.named_parameters() if own.grad is None or not own.grad.any()]
        assert still == []
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


def test_a_step_at_full_size():
    torch.manual_seed(0)
    network = ResNet34Seed(FULL, 10).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4)
    before = network.head[1].weight.clone()
    nn.functional.cross_entropy(network(levels(2, FULL)), torch.tensor([0, 1])).backward()
    optimizer.step()
    assert all(own.isfinite().all() for own in network.parameters())
    assert not torch.equal(network.head[1].weight, before)


def fused(seed: int = 0) -> ResNet34Fusion:
    """After it has seen 320 segments; its weights stay as they were."""
    torch.manual_seed(seed)
    network = ResNet34Fusion(SMALL, 3).train()
    network.trunk.eval()
    for step in range(10):
        network.scale(described(32, step))
    return network.eval()


def test_fusion_brings_each_descriptor_to_one_scale():
    network = fused()
    np.testing.assert_allclose((network.scale.running_mean.numpy() - MEANS) / DEVIATIONS, 0, atol=0.25)
    np.testing.assert_allclose(network.scale.running_var.sqrt().numpy() / DEVIATIONS, 1, atol=0.15)
    assert not list(network.scale.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_fusion_looks_at_each_descriptor(training: bool):
    network = fused().train(training)
    descriptors = described(8, seed=99).requires_grad_()
    # Each segment's own logits: summed over a normalised batch, all gradients would vanish.
    (network(levels(8), descriptors) * torch.randn(8, 3, generator=torch.Generator().manual_seed(0))).sum().backward()
    felt = descriptors.grad.abs().sum(dim=0).numpy() * DEVIATIONS
    assert felt.shape == (len(NAMES),)
    assert felt.min() > 1e-3 * felt.max()


@pytest.mark.parametrize("training", [True, False])
def test_fusion_does_not_depend_on_the_unit_of_a_descriptor(training: bool):
    """The same network, its statistics learnt in other units, says the same."""
    units = torch.from_numpy(np.logspace(-1, 3, 57)[np.random.default_rng(0).permutation(57)]).float()
    shift = torch.from_numpy(10 * DEVIATIONS).float() * units
    answers = []
    for unit, offset in [(torch.ones(57), torch.zeros(57)), (units, shift)]:
        torch.manual_seed(0)
        network = ResNet34Fusion(SMALL, 3).train()
        for layer in network.head:
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
        for step in range(10):
            network.scale(described(32, step) * unit + offset)
        with torch.no_grad():
            answers.append(network.train(training)(levels(8), described(8, seed=99) * unit + offset))
    torch.testing.assert_close(answers[1], answers[0], rtol=0, atol=2e-3)
    assert answers[0].std(dim=0).min() > 0.02, "or equal logits would pass too"


def test_fusion_without_descriptors_is_refused():
    with pytest.raises(UsageError, match="build the shards with --descriptors"):
        fused()(levels(1))


def test_what_was_never_seen_is_held_at_five_deviations():
    network = fused()
    far, farther = described(4), described(4)
    far[:, 3], farther[:, 3] = MEANS[3] + 20 * DEVIATIONS[3], MEANS[3] + 1e9 * DEVIATIONS[3]
    with torch.no_grad():
        torch.testing.assert_close(network(levels(4), farther), network(levels(4), far), rtol=0, atol=0)
        assert not torch.equal(network(levels(4), far), network(levels(4), described(4)))


def test_onnx_says_what_torch_says():
    """The original's; the published one is exported beside other networks, in test_export."""
    torch.manual_seed(0)
    network = ResNet34Fusion(SMALL, 3).train()
    for seed in range(3):
        network(*given(network, 8, seed))  # so that no statistic is what it was at first
    network.eval()
    example = given(network, 2)
    program = torch.onnx.export(
        network,
        example,
        input_names=list(network.inputs),
        dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in example),
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for n_segments in (1, 5):
        both = given(network, n_segments, seed=9)
        with torch.no_grad():
            expected = network(*both).numpy()
        (found,) = session.run(None, {name: each.numpy() for name, each in zip(network.inputs, both, strict=True)})
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        assert np.ptp(expected) > 0.01, "or equal logits would pass too"
