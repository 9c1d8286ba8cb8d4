"""The network's shapes, what it does to its input, and what it drops."""

import pytest
import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models import networks
from genre_batch.models.compact import Compact


@pytest.fixture
def network() -> Compact:
    torch.manual_seed(0)
    return Compact(n_rows=32, n_genres=3)


def pictures(n: int, columns: int = 44) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(0, 256, (n, 32, columns), dtype=torch.uint8)


@pytest.mark.parametrize("columns", [16, 44, 217, 640])
def test_any_length_gives_one_logit_a_genre(network: Compact, columns: int):
    logits = network.eval()(pictures(2, columns))
    assert logits.shape == (2, 3)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_it_has_the_size_it_says():
    assert round(sum(parameter.numel() for parameter in Compact(128, 10).parameters()), -3) == 100_000


def test_a_segment_is_judged_for_itself(network: Compact):
    batch = pictures(5)
    with torch.no_grad():
        alone = torch.cat([network.eval()(batch[i : i + 1]) for i in range(5)])
        torch.testing.assert_close(network(batch), alone, rtol=0, atol=1e-5)
    assert len(alone.unique(dim=0)) == 5


def test_bytes_and_floats_of_the_same_levels_are_the_same(network: Compact):
    batch = pictures(2)
    with torch.no_grad():
        assert torch.equal(network.eval()(batch), network(batch.float()))


def test_each_band_is_brought_to_one_level(network: Compact):
    network.train()
    loud = torch.arange(32).reshape(1, 32, 1) * 4
    levels = network.bands((pictures(8).float() / 8 + loud) / 255)
    torch.testing.assert_close(levels.mean(dim=(0, 2)), torch.zeros(32), rtol=0, atol=1e-4)
    torch.testing.assert_close(levels.std(dim=(0, 2)), torch.ones(32), rtol=0, atol=0.05)


def test_dropout_drops_features_not_segments():
    network = Compact(32, 3, dropout=0.5).train()
    dropout = network.head[0]
    assert isinstance(dropout, nn.Dropout)
    torch.manual_seed(2)
    kept = dropout(torch.ones(64, 256)) > 0
    assert 0.45 < kept.float().mean() < 0.55
    assert kept.any(dim=1).all()
    assert not kept.all(dim=1).any()
    assert len(kept.unique(dim=0)) == 64


def test_every_weight_learns(network: Compact):
    loss = nn.functional.cross_entropy(network.train()(pictures(8)), torch.arange(8) % 3)
    loss.backward()
    still = [name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


def test_networks_by_name():
    built = networks.build("compact", 32, 5)
    assert isinstance(built, Compact)
    assert built.head[1].out_features == 5
    with pytest.raises(UsageError, match="no network 'vgg': there is compact"):
        networks.build("vgg", 32, 5)
