"""Each part alone changes what it should and nothing else; what is drawn is drawn again here, from the same generator."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.choices import Augmentation
from genre_batch.models.augment import augment, columns_kept, mixed
from genre_batch.models.recipe import Strength

N, ROWS, COLUMNS = 6, 24, 40
TOP_DB = 51.0
"""Five levels a dB."""
DRAWN = [part for part in Augmentation if part is not Augmentation.MIXUP]


def pictures(n: int = N, seed: int = 0) -> torch.Tensor:
    """Far enough from silence and from the top that a few dB reach neither."""
    return torch.randint(100, 156, (n, ROWS, COLUMNS), dtype=torch.uint8, generator=generator(seed))


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(x: torch.Tensor, *parts: Augmentation, seed: int = 7, **strength: float) -> torch.Tensor:
    return augment(x, parts, replace(Strength(), **strength), top_db=TOP_DB, generator=generator(seed))


@pytest.mark.parametrize("parts", [(), (Augmentation.MIXUP,)])
def test_nothing_switched_on_changes_nothing(parts: tuple[Augmentation, ...]):
    found = changed(pictures(), *parts)
    assert found.dtype == torch.float32
    assert torch.equal(found, pictures().float())


@pytest.mark.parametrize("part", DRAWN)
def test_a_part_changes_every_segment_and_each_in_its_own_way(part: Augmentation):
    same = pictures(1).repeat(N, 1, 1)
    found = changed(same, part, crop_share=0.5)
    assert found.shape == ((N, ROWS, 20) if part is Augmentation.CROP else same.shape)
    # Crops begin at whole columns, so two may be alike.
    assert len(found.unique(dim=0)) >= (N - 2 if part is Augmentation.CROP else N)
    assert not any(torch.equal(each, same[0, :, : found.shape[2]].float()) for each in found)
    assert torch.equal(same, pictures(1).repeat(N, 1, 1)), "what is stored stays as it was"


@pytest.mark.parametrize("part", DRAWN)
def test_the_same_generator_does_the_same(part: Augmentation):
    assert torch.equal(changed(pictures(), part), changed(pictures(), part))
    assert not torch.equal(changed(pictures(), part), changed(pictures(), part, seed=8))


@pytest.mark.parametrize("part", DRAWN)
def test_silence_stays_silent(part: Augmentation):
    assert not changed(torch.zeros_like(pictures()), part).any()


@pytest.mark.parametrize("part", [Augmentation.GAIN, Augmentation.EQUALISER])
def test_silent_places_stay_silent(part: Augmentation):
    x = pictures()
    x[:, ::3, ::2] = 0
    found = changed(x, part)
    assert torch.equal(found == 0, x == 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sets(st.sampled_from(DRAWN)))
def test_levels_stay_levels(seed: int, parts: set[Augmentation]):
    x = torch.randint(0, 256, (3, ROWS, COLUMNS), dtype=torch.uint8, generator=generator(seed))
    found = changed(x, *parts, seed=seed, gain_db=40.0, equaliser_db=40.0, shift_bands=30.0, mask_bands=99.0, mask_columns=99.0)
    assert found.shape == (3, ROWS, 30 if Augmentation.CROP in parts else COLUMNS)
    assert found.min() >= 0
    assert found.max() <= 255


def ramp(axis: int) -> torch.Tensor:
    """Each level is its place, times four, along an axis."""
    places = torch.arange((ROWS, COLUMNS)[axis - 1], dtype=torch.uint8) * 4
    return (places[:, None] if axis == 1 else places[None]).expand(N, ROWS, COLUMNS)


@pytest.mark.parametrize(("share", "width"), [(0.75, 30), (0.5, 20), (0.33, 13), (0.001, 1), (1.0, 40)])
def test_a_crop_has_exactly_its_share_of_columns(share: float, width: int):
    found = changed(ramp(2), Augmentation.CROP, crop_share=share)
    assert found.shape == (N, ROWS, width)
    starts = (torch.rand(N, generator=generator()) * (COLUMNS - width + 1)).floor()
    expected = 4 * (starts[:, None] + torch.arange(width))
    assert torch.equal(found, expected[:, None].expand(found.shape)), "whole columns, as they are"
    assert columns_kept(COLUMNS, Strength(crop_share=share)) == width


def test_every_start_of_a_crop_is_drawn():
    many = ramp(2)[:1].repeat(400, 1, 1)
    found = augment(many, [Augmentation.CROP], Strength(crop_share=0.9), top_db=80, generator=generator())
    assert sorted(set((found[:, 0, 0] / 4).int().tolist())) == [0, 1, 2, 3, 4]


def test_a_stretched_segment_is_played_faster_or_slower_about_its_middle():
    found = changed(ramp(2), Augmentation.STRETCH, stretch=0.2)
    drawn = 0.8 + 0.4 * torch.rand(N, generator=generator())
    assert found.shape == (N, ROWS, COLUMNS)
    pace = found[:, 0].diff(dim=1)[:, COLUMNS // 2 - 5 : COLUMNS // 2 + 4] / 4
    torch.testing.assert_close(pace, drawn[:, None].expand(pace.shape), rtol=0, atol=1e-4)
    middle = found[:, 0, COLUMNS // 2 - 1 : COLUMNS // 2 + 1].mean(1)
    torch.testing.assert_close(middle, torch.full((N,), 4 * (COLUMNS - 1) / 2), rtol=0, atol=1e-3)
    assert pace.min() < 0.95 < 1.05 < pace.max()


def test_a_crop_leaves_bands_where_they_are():
    assert torch.equal(changed(ramp(1), Augmentation.CROP), ramp(1)[:, :, :30].float())


def drawn_share(seed: int) -> float:
    """Of the most that one segment may be shifted by, up or down."""
    return 2 * torch.rand(1, generator=generator(seed)).item() - 1


@pytest.mark.parametrize("bands", [-3, -1, 1, 2])
def test_a_shift_by_whole_bands_is_exact(bands: int):
    x = pictures(1)
    seed, share = next(found for found in enumerate(map(drawn_share, range(99))) if found[1] * bands > 0)
    found = changed(x, Augmentation.SHIFT, seed=seed, shift_bands=bands / share)
    places = (torch.arange(ROWS) + bands).clamp(0, ROWS - 1)
    torch.testing.assert_close(found, x[:, places].float(), rtol=0, atol=1e-3)


def test_a_shift_lies_between_two_bands():
    x = pictures()
    found = changed(x, Augmentation.SHIFT, shift_bands=2.0)
    by = -2 + 4 * torch.rand(N, generator=generator()).numpy()
    for i in range(N):
        for column in (0, COLUMNS - 1):
            expected = np.interp(np.arange(ROWS) + by[i], np.arange(ROWS), x[i, :, column].numpy())
            np.testing.assert_allclose(found[i, :, column], expected, atol=1e-3)


def test_a_gain_in_exact_decibels():
    found = changed(pictures(), Augmentation.GAIN, gain_db=1.5)
    decibels = (found - pictures().float()) / 5
    expected = 1.5 * torch.randn(N, 1, generator=generator())
    torch.testing.assert_close(decibels, expected[:, :, None].expand(found.shape), rtol=0, atol=1e-4)


def test_an_equaliser_in_exact_decibels():
    found = changed(pictures(), Augmentation.EQUALISER, equaliser_db=0.8, equaliser_points=4)
    points = 0.8 * torch.randn(N, 4, generator=generator()).numpy()
    curve = [np.interp(np.linspace(0, 3, ROWS), np.arange(4), each) for each in points]
    decibels = ((found - pictures().float()) / 5).numpy()
    np.testing.assert_allclose(decibels, np.repeat(np.array(curve)[:, :, None], COLUMNS, axis=2), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12), st.sampled_from([1, 2]))
def test_a_mask_hides_one_stripe_no_wider_than_asked(seed: int, widest: int, axis: int):
    x = torch.randint(1, 256, (3, ROWS, COLUMNS), generator=generator(seed)).to(torch.uint8)
    widths = {"mask_bands": widest, "mask_columns": 0} if axis == 1 else {"mask_bands": 0, "mask_columns": widest}
    found = changed(x, Augmentation.SPECAUGMENT, seed=seed, masks=1, **widths)
    for before, after in zip(x.float(), found, strict=True):
        hidden = (after == before.mean()).all(dim=2 - axis)
        lines = hidden.nonzero().flatten()
        assert len(lines) <= widest
        assert not len(lines) or lines[-1] - lines[0] == len(lines) - 1
        kept = before[~hidden] if axis == 1 else before[:, ~hidden]
        assert torch.equal(after[~hidden] if axis == 1 else after[:, ~hidden], kept)


def test_masks_are_as_wide_as_asked_on_average():
    x = pictures(1).repeat(400, 1, 1)
    found = changed(x, Augmentation.SPECAUGMENT, masks=1, mask_bands=10, mask_columns=0)
    hidden = (found != x).any(dim=2).sum(dim=1).float()
    assert 4.5 < hidden.mean() < 5.5


def test_no_masks_hide_nothing():
    assert torch.equal(changed(pictures(), Augmentation.SPECAUGMENT, masks=0), pictures().float())


def blended(lengths: list[int] | None, n: int, alpha: float = 0.3, seed: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets that say which segment was blended with which; levels and descriptors that are blended alike if they are the targets times
    them."""
    x = torch.arange(n, dtype=torch.float32)[:, None, None].expand(n, 2, 3) * 10
    described = torch.randn(n, 57, generator=generator(n))
    by_track = None if lengths is None else torch.tensor(lengths)
    levels, told, targets = mixed(x, described, torch.eye(n), alpha, lengths=by_track, generator=generator(seed))
    torch.testing.assert_close(levels, (targets @ x.flatten(1)).reshape(x.shape))
    torch.testing.assert_close(told, targets @ described)
    without = mixed(x, None, torch.eye(n), alpha, lengths=by_track, generator=generator(seed))
    assert without[1] is None
    assert torch.equal(without[0], levels), "descriptors take no numbers from the generator"
    return levels, targets


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.3, 1.0, 5.0]))
def test_mixup_blends_two_segments_and_their_answers(seed: int, alpha: float):
    _, targets = blended(None, 8, alpha, seed)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(8))
    assert ((targets > 0).sum(dim=1) <= 2).all()
    assert (targets.diagonal() >= 0.5).all(), "the larger share is its own"
    partners = (targets - torch.diag(targets.diagonal())).nonzero()[:, 1]
    assert len(partners.unique()) == len(partners), "each is somebody's partner once"


def test_mixup_draws_its_shares_from_a_beta_distribution():
    _, targets = blended(None, 2000, alpha=0.3)
    shares = targets.diagonal().numpy()
    whole = np.random.default_rng(0).beta(0.3, 0.3, 20_000)
    expected = np.maximum(whole, 1 - whole)
    for q in (0.25, 0.5, 0.75):
        assert abs(np.quantile(shares, q) - np.quantile(expected, q)) < 0.03


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(0, 2**32))
def test_mixup_of_tracks_blends_whole_tracks(lengths: list[int], seed: int):
    n, starts = sum(lengths), np.cumsum([0, *lengths[:-1]])
    _, targets = blended(lengths, n, alpha=5.0, seed=seed)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(n))
    for start, length in zip(starts, lengths, strict=True):
        rows = targets[start : start + length]
        own = rows[torch.arange(length), start + torch.arange(length)]
        assert torch.equal(own, own[:1].expand(length)), "one share for all of a track"
        others = rows.clone()
        others[torch.arange(length), start + torch.arange(length)] = 0
        found = others.nonzero()[:, 1].numpy()
        if len(found):
            partner = int(np.searchsorted(starts, found[0], side="right")) - 1
            np.testing.assert_array_equal(found, starts[partner] + np.arange(length) % lengths[partner])


def test_mixup_does_the_same_with_the_same_generator():
    assert torch.equal(blended(None, 8)[1], blended(None, 8)[1])
    assert not torch.equal(blended(None, 8)[1], blended(None, 8, seed=8)[1])
    assert torch.equal(blended([3, 5], 8)[1], blended([3, 5], 8)[1])
