"""Spectral subtraction: against the whole signal at once, by what it does, and whatever the blocks."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import get_window

from genre_batch.front_end import Denoise
from genre_batch.signal.denoise import MinimumStatistics, Subtraction, subtract

RATE_HZ = 8000
FIRST = Denoise(noise="first-seconds", n_fft=256, hop_length=64)
MINIMUM = Denoise(noise="minimum-statistics", n_fft=256, hop_length=64)
ODD = Denoise(noise="minimum-statistics", n_fft=256, hop_length=100, minimum_s=0.3, smoothing_s=0.03, floor=0.2)
BOTH = pytest.mark.parametrize("denoise", [FIRST, MINIMUM], ids=["first-seconds", "minimum-statistics"])
ALL = pytest.mark.parametrize("denoise", [FIRST, MINIMUM, ODD], ids=["first-seconds", "minimum-statistics", "odd"])


def run(blocks: list[np.ndarray], denoise: Denoise) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *subtract(blocks, sample_rate_hz=RATE_HZ, denoise=denoise)])


def noise(n: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(11).standard_normal(n)).astype(np.float32)


def bursts(n: int) -> np.ndarray:
    """A tone after each 0.8 s of pause, first at 2.3 s: steady tones are noise to minimum statistics."""
    t = np.arange(n) / RATE_HZ
    return np.where((t > 1.5) & (t % 1.5 > 0.8), 0.3 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)


def whole_signal(samples: np.ndarray, denoise: Denoise) -> np.ndarray:
    """The same by definition: every frame that touches the recording, one after another, in double precision."""
    n_fft, hop = denoise.n_fft, denoise.hop_length
    window = get_window("hann", n_fft)
    lead = n_fft - hop
    padded = np.concatenate([np.zeros(lead), samples, np.zeros(n_fft)])
    starts = range(0, lead + len(samples), hop)
    spectra = [np.fft.fft(window * padded[i : i + n_fft]) for i in starts]
    frames_per_s = RATE_HZ / hop
    if denoise.noise == "first-seconds":
        first = np.abs(spectra[: round(denoise.first_s * frames_per_s)])
        estimates = [np.mean(first, axis=0)] * len(spectra)
    else:
        kept = np.exp(-1 / (denoise.smoothing_s * frames_per_s))
        span = round(denoise.minimum_s * frames_per_s)
        # A frame that begins before the recording has heard only the part of its window that lies in it.
        heard = [np.sum(window[max(0, lead - start) :] ** 2) / np.sum(window**2) for start in starts]
        powers = [np.abs(spectrum) ** 2 / share for spectrum, share in zip(spectra, heard, strict=True)]
        smooth = [powers[0]]
        for power in powers[1:]:
            smooth.append(kept * smooth[-1] + (1 - kept) * power)
        estimates = [
            np.sqrt(denoise.minimum_bias * np.min(smooth[max(0, i - span + 1) : i + 1], axis=0)) for i in range(len(spectra))
        ]
    out, weight = np.zeros(len(padded)), np.zeros(len(padded))
    for start, spectrum, estimate in zip(starts, spectra, estimates, strict=True):
        magnitude = np.abs(spectrum)
        clean = np.maximum(magnitude - denoise.over_subtraction * estimate, np.minimum(denoise.floor * estimate, magnitude))
        back = np.fft.ifft(clean * np.exp(1j * np.angle(spectrum))).real
        out[start : start + n_fft] += window * back
        weight[start : start + n_fft] += window**2
    return (out / weight.clip(1e-12))[lead : lead + len(samples)]


@ALL
@pytest.mark.parametrize("n", [1, 63, 256, 5000, 24_011])
def test_equals_the_whole_signal_at_once(denoise, n):
    samples = noise(n) + bursts(n)
    np.testing.assert_allclose(run([samples], denoise), whole_signal(samples, denoise), rtol=0, atol=2e-6)


@ALL
@given(n=st.integers(0, 24_000), places=st.lists(st.integers(0, 24_000), max_size=20))
@settings(max_examples=40, deadline=None)
def test_the_same_samples_however_they_are_cut(denoise, n, places):
    samples = noise(n) + bursts(n)
    blocks = np.split(samples, sorted(place % (n + 1) for place in places))
    whole = run([samples], denoise)
    assert len(whole) == n
    np.testing.assert_array_equal(run(blocks, denoise), whole)


@ALL
@pytest.mark.parametrize("n", [1, 100, 255, 4000])
def test_with_nothing_to_subtract_every_sample_comes_back(denoise, n):
    nothing = dataclasses.replace(denoise, over_subtraction=0.0)
    samples = noise(n)
    np.testing.assert_allclose(run([samples], nothing), samples, rtol=0, atol=1e-6)


def test_after_silent_first_seconds_every_sample_comes_back():
    # The noise is nought, so that nothing is subtracted; the last sample lies where fewest windows overlap.
    samples = noise(3 * RATE_HZ)
    samples[: RATE_HZ + 256] = 0
    np.testing.assert_allclose(run([samples], FIRST), samples, rtol=0, atol=1e-6)


@BOTH
def test_digital_silence_stays_silence(denoise):
    assert not run([np.zeros(RATE_HZ, np.float32)] * 3, denoise).any()


def test_no_samples_stay_no_samples():
    assert len(run([], FIRST)) == len(run([], MINIMUM)) == 0


@BOTH
def test_signal_to_noise_ratio_rises(denoise):
    n = 9 * RATE_HZ
    tone, hiss = bursts(n), noise(n, 0.05)
    cleaned = run([tone + hiss], denoise)
    settled = slice(3 * RATE_HZ, n)
    # The ratio of the tone's energy to the energy of whatever is not the tone, noise left or tone lost.
    before = 10 * np.log10(np.sum(tone[settled] ** 2) / np.sum(hiss[settled] ** 2))
    after = 10 * np.log10(np.sum(tone[settled] ** 2) / np.sum((cleaned - tone)[settled] ** 2))
    assert after - before > 5


@BOTH
def test_noise_alone_sinks_and_a_tone_above_it_stays(denoise):
    n = 9 * RATE_HZ
    tone, hiss = bursts(n), noise(n, 0.05)
    cleaned = run([tone + hiss], denoise)
    t = np.arange(n) / RATE_HZ
    pause = (t > 3) & (t % 1.5 > 0.1) & (t % 1.5 < 0.7)
    sound = (t > 3) & (t % 1.5 > 0.9) & (t % 1.5 < 1.4)
    assert 20 * np.log10(hiss[pause].std() / cleaned[pause].std()) > 6
    assert abs(20 * np.log10(cleaned[sound].std() / tone[sound].std())) < 1


def test_minimum_statistics_follow_a_noise_that_changes_and_the_first_seconds_do_not():
    n = 10 * RATE_HZ
    hiss = noise(n, 0.05)
    hiss[: n // 2] /= 20
    late = slice(8 * RATE_HZ, n)
    sunk = {d.noise: 20 * np.log10(hiss[late].std() / run([hiss], d)[late].std()) for d in (FIRST, MINIMUM)}
    assert sunk["first-seconds"] < 1
    assert sunk["minimum-statistics"] > 6


def test_the_floor_is_what_is_left_of_noise():
    # Subtracted many times over, each frame falls to the floor: this share of the mean noise magnitude.
    deep = dataclasses.replace(FIRST, over_subtraction=100.0, floor=0.01)
    samples = noise(4 * RATE_HZ)
    left = run([samples], deep)[RATE_HZ:-RATE_HZ].std() / samples.std()
    assert 0.005 < left < 0.01


def test_output_is_single_precision():
    assert run([noise(3000)], MINIMUM).dtype == np.float32


def test_white_noise_goes_from_the_first_moment():
    samples = noise(3 * RATE_HZ)
    cleaned = run([samples], Denoise(noise="minimum-statistics"))
    start = slice(0, RATE_HZ)
    gained_db = 20 * np.log10(np.std(samples[start]) / np.std(cleaned[start]))
    assert gained_db > 8


def tracked(samples: np.ndarray, denoise: Denoise, places: list[int] | None = None) -> np.ndarray:
    """Noise power of each frame in dB above that of white noise of level 0.1, by Martin's tracker; [frames as rows]."""
    tracker, found = MinimumStatistics(denoise, RATE_HZ), []
    subtraction = Subtraction(denoise, lambda spectra: kept(tracker(spectra)))

    def kept(pairs):
        for spectra, noise in pairs:
            found.append(noise)
            yield spectra, noise

    for block in np.split(samples, places or []):
        list(subtraction.push(block))
    expected = 0.1**2 * np.sum(get_window("hann", denoise.n_fft) ** 2)
    return 10 * np.log10(np.concatenate(found).astype(np.float64) ** 2 / expected)


@pytest.mark.parametrize("minimum_s", [0.8, 1.5, 3.0])
def test_martin_finds_the_power_of_white_noise_for_any_window(minimum_s):
    found = tracked(noise(12 * RATE_HZ), dataclasses.replace(MINIMUM, minimum_s=minimum_s))
    settled = found[len(found) // 3 :, 2:-2]
    assert abs(settled.mean()) < 0.8
    assert settled.std() < 1.2


def test_martin_takes_no_burst_for_noise():
    n = 12 * RATE_HZ
    found = tracked(noise(n) + bursts(n) * 3, dataclasses.replace(MINIMUM, minimum_s=1.5))
    at_tone = found[len(found) // 3 :, round(1000 * MINIMUM.n_fft / RATE_HZ)]
    assert abs(at_tone.mean()) < 2.5  # the tone itself is 40 dB above


@pytest.mark.parametrize(("times", "within_s"), [(10, 2.0), (0.1, 1.0)])
def test_martin_follows_noise_that_grows_and_sinks(times, within_s):
    samples = noise(12 * RATE_HZ)
    samples[6 * RATE_HZ :] *= times
    found = tracked(samples, MINIMUM)
    frame = round((6 + within_s) * RATE_HZ / MINIMUM.hop_length)
    assert abs(found[frame : frame + 50, 2:-2].mean() - 20 * np.log10(times)) < 2


@given(places=st.lists(st.integers(0, 12_000), max_size=12))
@settings(max_examples=15, deadline=None)
def test_martin_hears_the_same_however_the_samples_are_cut(places):
    samples = noise(12_000) + bursts(12_000)
    np.testing.assert_array_equal(tracked(samples, ODD, sorted(places)), tracked(samples, ODD))


def test_martin_stays_finite_in_silence_and_after_it():
    samples = noise(4 * RATE_HZ)
    samples[: 2 * RATE_HZ] = 0
    subtraction = Subtraction(MINIMUM, MinimumStatistics(MINIMUM, RATE_HZ))
    cleaned = np.concatenate(list(subtraction.through([samples])))
    assert np.isfinite(cleaned).all()
    assert not cleaned[:RATE_HZ].any()


def test_pushed_is_as_pulled():
    samples = noise(9000) + bursts(9000)
    pushed = Subtraction.of(ODD, RATE_HZ)
    parts = [part for block in np.split(samples, [100, 4000, 4001]) for part in pushed.push(block)]
    np.testing.assert_array_equal(np.concatenate([*parts, *pushed.end()]), run([samples], ODD))
