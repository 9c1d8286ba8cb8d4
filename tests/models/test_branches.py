"""Branches answer together, and while they learn each alone as often."""

import pytest
import torch

from genre_batch.models.branches import Branches

SIZES = (3, 5, 2)


def features(n: int) -> list[torch.Tensor]:
    return [torch.randn(n, size, generator=torch.Generator().manual_seed(size)) for size in SIZES]


def test_the_answer_is_the_sum_of_all():
    branches = Branches(SIZES, 4).eval()
    expected = sum(each @ head[1].weight.T + head[1].bias for head, each in zip(branches.heads, features(6), strict=True))
    torch.testing.assert_close(branches(features(6)), expected)


def test_while_learning_a_segment_is_answered_by_all_or_by_one():
    torch.manual_seed(0)
    branches = Branches(SIZES, 4, dropout=0.0).train()
    answers = torch.stack([head(each) for head, each in zip(branches.heads, features(4000), strict=True)])
    found = branches(features(4000))
    counts = [torch.isclose(found, each, atol=1e-5).all(dim=1).sum().item() for each in (answers.sum(0), *(3 * answers))]
    assert sum(counts) == 4000
    assert all(abs(count / 4000 - 0.25) < 0.03 for count in counts)


def test_as_many_branches_as_features():
    with pytest.raises(ValueError, match="shorter"):
        Branches(SIZES, 4)(features(2)[:2])
