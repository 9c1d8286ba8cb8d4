"""Descriptors as a network sees them: standardised by what training has seen, and none of them drowning the others."""

import pytest
import torch

from genre_batch.errors import UsageError
from genre_batch.models.network import Network, RecurrentNetwork, Standardised
from schemas.descriptors import NAMES


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def test_the_mean_over_all_steps_in_exact_numbers():
    scale = Standardised(1)
    scale(column(0, 2))
    scale(column(10, 14))
    # Means 1 and 12, unbiased variances 2 and 8: each step counts the same, from the first.
    torch.testing.assert_close(scale.running_mean, torch.tensor([6.5]))
    torch.testing.assert_close(scale.running_var, torch.tensor([5.0]))
    expected = column(0, 5**0.5, -1) / 5**0.5
    torch.testing.assert_close(scale.eval()(column(6.5, 6.5 + 5**0.5, 5.5)), expected)


def test_evaluation_learns_nothing():
    scale = Standardised(1)
    scale(column(0, 2))
    scale.eval()(column(100, 200))
    assert scale.running_mean.item() == 1


@pytest.mark.parametrize("deviation", [1e-4, 1.0, 1e6])
def test_deviations_as_far_apart_as_in_gtzan(deviation: float):
    scale = Standardised(1)
    values = deviation * torch.tensor([-1.0, 0.0, 1.0])[:, None]
    scale(values)
    torch.testing.assert_close(scale.eval()(values), column(-1, 0, 1), rtol=1e-4, atol=0)


def test_no_value_goes_further_than_most():
    for most in (5.0, 2.5):
        scale = Standardised(1, most=most)
        scale(column(3, 3))
        found = scale.eval()(column(3, 4, -1e12))
        torch.testing.assert_close(found, column(0, most, -most))


def test_it_has_nothing_to_learn_and_a_place_for_each_descriptor():
    assert not list(Standardised().parameters())
    assert Standardised()(torch.randn(4, 57)).shape == (4, len(NAMES))


def test_no_descriptors_are_refused():
    with pytest.raises(UsageError, match="looks at descriptors, and there are none: build the shards with --descriptors"):
        Standardised()(None)


def test_what_a_network_looks_at_unless_it_says_more():
    assert (Network.inputs, Network.recurrent, RecurrentNetwork.recurrent) == (("spectrograms",), False, True)
    with pytest.raises(NotImplementedError):
        RecurrentNetwork((4, 4), 2).advance(torch.zeros(1, 4, 4), None, torch.zeros(1))
