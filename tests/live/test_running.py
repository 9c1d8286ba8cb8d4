"""Forgetting and hysteresis."""

import numpy as np
import pytest

from genre_batch.live.running import FORGET_S, PERSIST, Running

A, B = np.log([0.9, 0.1]), np.log([0.1, 0.9])


def test_looks_are_forgotten_by_and_by():
    running = Running(temperature=1.0)
    running.hear(A)
    running.hear(B)
    kept = np.exp(-1 / FORGET_S)
    expected = np.exp(kept * A + (1 - kept) * B)
    np.testing.assert_allclose(running.shares, expected / expected.sum(), rtol=1e-12)


def test_confidence_is_calibrated():
    running = Running(temperature=0.5)
    running.hear(np.log([0.6, 0.4]))
    np.testing.assert_allclose(running.shares, [0.36 / 0.52, 0.16 / 0.52])


@pytest.mark.parametrize("solo_s", [1, 2, 3])
def test_a_solo_does_not_change_the_label(solo_s: int):
    running = Running(temperature=1.0)
    assert not any(running.hear(look) for look in [A] * 10 + [B] * solo_s + [A] * 10)
    assert running.held == 0


def test_another_song_does():
    running = Running(temperature=1.0)
    changed = [running.hear(look) for look in [A] * 10 + [B] * 8]
    # At equal strength the mean turns after 3 ln 2 s, and has to lead PERSIST times.
    assert changed.index(True) - 10 == 2 + PERSIST - 1
    assert changed.count(True) == 1
    assert running.held == 1


def test_a_lead_that_goes_from_one_to_another_changes_nothing():
    a, b, c = (np.log(np.where(np.arange(3) == i, 0.98, 0.01)) for i in range(3))
    running = Running(temperature=1.0)
    for look in [a, a, b, b, b, 4 * c, 4 * b]:
        running.hear(look)
    assert running.held == 0


def test_forgotten_is_as_new():
    running = Running(temperature=1.0)
    running.hear(A)
    running.forget()
    assert running.held is None
    running.hear(B)
    assert running.held == 1
    np.testing.assert_allclose(running.shares, [0.1, 0.9])
