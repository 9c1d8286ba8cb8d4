"""An epoch: sums over all rows, whatever the batches, and learning where learning is asked for."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from genre_batch.models import fit
from genre_batch.models.compact import Compact
from genre_batch.models.fit import Batch, Score

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.0]])
LABELS = torch.tensor([0, 0, 0, 1])


def batches(*sizes: int) -> list[Batch]:
    return list(zip(LOGITS.split(list(sizes)), LABELS.split(list(sizes)), strict=True))


def test_sums_in_exact_numbers():
    sums = fit.evaluate_epoch(nn.Identity(), batches(4))
    losses = [0.126928, 1.313262, 0.048587, 0.693147]
    assert sums.dtype == torch.float64
    # The last row's logits tie: the first of them is taken, which is wrong.
    torch.testing.assert_close(sums, torch.tensor([sum(losses), 2, 4], dtype=torch.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(1, 3), (3, 1), (1, 1, 1, 1), (2, 2)])
def test_batches_of_any_size_give_the_same_sums(sizes: tuple[int, ...]):
    whole = fit.evaluate_epoch(nn.Identity(), batches(4))
    torch.testing.assert_close(fit.evaluate_epoch(nn.Identity(), batches(*sizes)), whole, rtol=0, atol=1e-6)
    means = torch.stack([functional.cross_entropy(*batch) for batch in batches(1, 3)])
    assert abs(means.mean() - whole[0] / 4) > 0.05, "or a mean of means would pass too"


def test_training_sums_are_over_all_rows_too():
    model = nn.Linear(2, 2)
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    expected = fit.evaluate_epoch(model, batches(4))
    torch.testing.assert_close(fit.train_epoch(model, batches(1, 3), still), expected, rtol=0, atol=1e-6)


def test_sums_of_workers_add_up_to_the_score_of_all():
    parts = [fit.evaluate_epoch(nn.Identity(), batches(1, 3)[i : i + 1]) for i in range(2)]
    whole = fit.score(fit.evaluate_epoch(nn.Identity(), batches(4)))
    assert fit.score(parts[0] + parts[1]) == Score(pytest.approx(whole.loss), whole.accuracy, whole.n)


def test_score():
    assert fit.score(torch.tensor([6.0, 3.0, 4.0])) == Score(loss=1.5, accuracy=0.75, n=4)


def test_no_rows_have_a_score_of_nothing():
    assert fit.score(fit.evaluate_epoch(nn.Identity(), [])) == Score(loss=0.0, accuracy=0.0, n=0)


def pictures() -> list[Batch]:
    """Eight noisy pictures: low bands sound in one genre, high bands in the other."""
    torch.manual_seed(3)
    loud = torch.randint(0, 100, (8, 32, 32))
    labels = torch.arange(8) % 2
    for i, label in enumerate(labels):
        loud[i, 16 * label : 16 * label + 16] += 150
    return list(zip(loud.to(torch.uint8).split(4), labels.split(4), strict=True))


def test_a_tiny_set_is_learnt_by_heart():
    torch.manual_seed(0)
    model = Compact(32, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    before = fit.score(fit.evaluate_epoch(model, pictures()))
    for _ in range(15):
        fit.train_epoch(model, pictures(), optimizer)
    after = fit.score(fit.evaluate_epoch(model, pictures()))
    assert after.accuracy == 1.0
    assert after.loss < 0.2 < before.loss


def test_evaluation_changes_nothing():
    model = Compact(32, 2)
    before = copy.deepcopy(model.state_dict())
    first, second = (fit.evaluate_epoch(model.train(), pictures()) for _ in range(2))
    assert torch.equal(first, second)
    assert not model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_training_trains_in_training_mode():
    model = Compact(32, 2).eval()
    before = copy.deepcopy(model.state_dict())
    sums = fit.train_epoch(model, pictures(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert model.training
    assert not sums.requires_grad
    still = [name for name, tensor in model.state_dict().items() if torch.equal(before[name], tensor)]
    assert still == []
