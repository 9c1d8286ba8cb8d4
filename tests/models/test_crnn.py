"""A recurrent network hears each track alone, from its first segment on, in pieces as well as at once."""

import pytest
import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.crnn import Crnn, CrnnFusion

SHAPE = (16, 20)
LENGTHS = torch.tensor([3, 1, 5, 2])
N = int(LENGTHS.sum())
BOTH = pytest.mark.parametrize("kind", [Crnn, CrnnFusion])


def built(kind: type[Crnn]) -> Crnn:
    torch.manual_seed(0)
    network = kind(SHAPE, 3).train()
    for seed in range(3):
        network(levels(N, seed), described(N, seed), LENGTHS)  # so that no statistic is what it was at first
    return network.eval()


def levels(n: int, seed: int = 9) -> torch.Tensor:
    return torch.randint(0, 256, (n, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def described(n: int, seed: int = 9) -> torch.Tensor:
    return torch.randn(n, 57, generator=torch.Generator().manual_seed(seed))


@BOTH
@torch.no_grad()
def test_tracks_together_are_each_track_alone(kind: type[Crnn]):
    network, x, d = built(kind), levels(N), described(N)
    together = network(x, d, LENGTHS)
    parts = zip(x.split(LENGTHS.tolist()), d.split(LENGTHS.tolist()), strict=True)
    torch.testing.assert_close(together, torch.cat([network(*part) for part in parts]), rtol=0, atol=1e-5)
    assert not torch.allclose(together, network(x, d), atol=1e-3), "one long track is another thing"


@BOTH
@torch.no_grad()
def test_padding_has_no_influence(kind: type[Crnn]):
    """A long neighbour makes for much of it."""
    network = built(kind)
    x, d = levels(2), described(2)
    long = levels(40, seed=3), described(40, seed=3)
    beside = network(torch.cat([x, long[0]]), torch.cat([d, long[1]]), torch.tensor([2, 40]))
    torch.testing.assert_close(beside[:2], network(x, d, torch.tensor([2])), rtol=0, atol=1e-5)


@BOTH
@pytest.mark.parametrize("pieces", [(7,), (1,) * 7, (3, 4), (6, 1)])
@torch.no_grad()
def test_in_pieces_as_at_once(kind: type[Crnn], pieces: tuple[int, ...]):
    network, x, d = built(kind), levels(7), described(7)
    state, told = torch.zeros(network.state_shape), []
    for part in zip(x.split(list(pieces)), d.split(list(pieces)), strict=True):
        logits, state = network.advance(*part, state)
        told.append(logits)
    torch.testing.assert_close(torch.cat(told), network(x, d), rtol=0, atol=1e-5)
    assert state.shape == network.state_shape


@BOTH
@torch.no_grad()
def test_an_answer_rests_on_what_was_heard_until_then(kind: type[Crnn]):
    network, x, d = built(kind), levels(4), described(4)
    other = torch.cat([x[:2], levels(1, seed=5), x[3:]])
    before, after = network(x, d), network(other, d)
    torch.testing.assert_close(before[:2], after[:2], rtol=0, atol=1e-6)
    assert not torch.isclose(before[2:], after[2:], atol=1e-4).all(dim=1).any()


@torch.no_grad()
def test_a_fusion_hears_descriptors_and_the_plain_one_does_not():
    x, d = levels(3), described(3)
    plain, fusion = built(Crnn), built(CrnnFusion)
    assert torch.equal(plain(x, d), plain(x))
    assert not torch.isclose(fusion(x, d), fusion(x, -d)).all(dim=1).any()
    with pytest.raises(UsageError, match="looks at descriptors, and there are none"):
        fusion(x)


@BOTH
def test_every_weight_learns(kind: type[Crnn]):
    network = built(kind).train()
    nn.functional.cross_entropy(network(levels(N), described(N), LENGTHS), torch.arange(N) % 3).backward()
    still = [name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []
