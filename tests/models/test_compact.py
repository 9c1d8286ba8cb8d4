"""The network's shapes, what it does to its input, and what it drops."""

import pytest
import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.compact import Compact, CompactFusion, Encoder
from genre_batch.models.network import Network

ROWS = 32
BOTH = pytest.mark.parametrize("kind", [Compact, CompactFusion])


def built(kind: type[Network] = Compact) -> Network:
    torch.manual_seed(0)
    network = kind((ROWS, 44), 3).train()
    for seed in range(3):
        network(pictures(8, seed=seed), described(8, seed))  # so that no statistic is what it was at first
    return network


def pictures(n: int, columns: int = 44, seed: int = 9) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, ROWS, columns), dtype=torch.uint8, generator=drawn)


def described(n: int, seed: int = 9) -> torch.Tensor:
    return torch.randn(n, 57, generator=torch.Generator().manual_seed(seed))


@BOTH
@pytest.mark.parametrize("columns", [16, 44, 217, 640])
@torch.no_grad()
def test_any_length_gives_one_logit_a_genre(kind: type[Network], columns: int):
    logits = built(kind).eval()(pictures(2, columns), described(2))
    assert logits.shape == (2, 3)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("rows", [8, 33, 128])
@pytest.mark.parametrize("described", [False, True])
def test_an_encoder_gives_features_of_the_sizes_it_says(rows: int, described: bool):
    encoder = Encoder(rows, described=described).eval()
    found = encoder(torch.zeros(2, rows, 70), torch.zeros(2, 57))
    assert tuple(each.shape for each in found) == tuple((2, size) for size in encoder.sizes)
    assert len(found) == 2 + described


@BOTH
@torch.no_grad()
def test_a_segment_is_judged_for_itself(kind: type[Network]):
    network, levels, values = built(kind).eval(), pictures(5), described(5)
    alone = torch.cat([network(levels[i : i + 1], values[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(network(levels, values), alone, rtol=0, atol=1e-5)
    assert len(alone.unique(dim=0)) == 5


@torch.no_grad()
def test_bytes_and_floats_of_the_same_levels_are_the_same():
    network = built().eval()
    assert torch.equal(network(pictures(2)), network(pictures(2).float()))


@torch.no_grad()
def test_a_fusion_hears_descriptors_and_the_plain_one_does_not():
    levels, values = pictures(4), described(4)
    plain, fusion = built().eval(), built(CompactFusion).eval()
    assert torch.equal(plain(levels, values), plain(levels))
    assert not torch.isclose(fusion(levels, values), fusion(levels, -values)).all(dim=1).any()
    assert not torch.isclose(fusion(levels, values), fusion(pictures(4, seed=5), values)).all(dim=1).any()
    with pytest.raises(UsageError, match="looks at descriptors, and there are none"):
        fusion(levels)


@BOTH
def test_dropout_drops_features_not_segments(kind: type[Network]):
    drops = [layer for layer in built(kind).modules() if "Dropout" in type(layer).__name__]
    assert drops
    assert all(type(layer) is nn.Dropout for layer in drops)
    torch.manual_seed(2)
    for dropout in drops:
        kept = dropout(torch.ones(64, 256)) > 0
        assert abs(1 - dropout.p - kept.float().mean()) < 0.05
        assert kept.any(dim=1).all()
        assert not kept.all(dim=1).any()


@BOTH
def test_every_weight_learns(kind: type[Network]):
    network = built(kind)
    nn.functional.cross_entropy(network(pictures(8), described(8)), torch.arange(8) % 3).backward()
    still = [name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


@torch.no_grad()
def test_a_number_of_genres():
    assert Compact((ROWS, 44), 5).eval()(pictures(2)).shape == (2, 5)
