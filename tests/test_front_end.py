"""`FrontEnd`: derived sizes, digest, and reading from JSON and TOML."""

import dataclasses
import json
import re
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.errors import ExitCode, UsageError
from genre_batch.front_end import GTZAN_PUBLISHED, MEL, PRESETS, SEED_3S, SEED_10S, Denoise, Descriptors, FrontEnd, load

DENOISE = Denoise(noise="first-seconds")
DENOISED = dataclasses.replace(MEL, denoise=DENOISE)


@pytest.mark.parametrize(
    ("front_end", "samples", "hop", "frames", "shape"),
    [
        (MEL, 110_250, 110_250, 216, (128, 216)),
        (GTZAN_PUBLISHED, 220_500, 220_500, 129, (128, 129)),
        (SEED_10S, 220_500, 110_250, 431, (480, 640)),
        (SEED_3S, 36_000, 36_000, 508, (512, 512)),
    ],
    ids=lambda value: value.name if isinstance(value, FrontEnd) else "",
)
def test_sizes_that_follow_from_a_preset(front_end, samples, hop, frames, shape):
    assert front_end.segment_samples == samples
    assert front_end.segment_hop_samples == hop
    assert front_end.n_frames == frames
    assert front_end.spectrogram_shape == shape


@given(st.integers(512, 3000), st.integers(1, 700), st.integers(0, 500))
def test_as_many_frames_as_have_their_centre_in_the_segment(samples, hop, offset):
    front_end = dataclasses.replace(
        MEL, sample_rate_hz=1000, segment_s=samples / 1000, n_fft=64, hop_length=hop, frame_offset=offset, min_track_s=0
    )
    assert front_end.n_frames == sum(1 for centre in range(offset, samples + 1, hop))


@pytest.mark.parametrize("front_end", [MEL, SEED_10S, SEED_3S], ids=lambda front_end: front_end.name)
def test_librosa_makes_as_many_frames(front_end):
    stft = librosa.stft(np.zeros(front_end.segment_samples), n_fft=front_end.n_fft, hop_length=front_end.hop_length)
    assert front_end.n_frames == stft.shape[1]


def test_a_front_end_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MEL.n_fft = 1024


@pytest.mark.parametrize("front_end", [*PRESETS.values(), DENOISED], ids=lambda front_end: front_end.name)
def test_json_brings_back_the_same_front_end(front_end):
    again = FrontEnd.from_json(front_end.to_json())
    assert again == front_end
    assert again.digest == front_end.digest
    assert hash(again) == hash(front_end)


def other(value: object) -> object:
    """Another value of a parameter, that makes a valid front end."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case None:
            return 5000.0
        case str():
            choices = {
                "mel": "linear",
                "segment": "track",
                "fixed": "min-max",
                "HQ": "VHQ",
                "first-seconds": "minimum-statistics",
            }
            return choices.get(value, value + "2")
    raise AssertionError(value)


# With min_track_s below segment_s and all bands within the STFT, so that one step keeps it valid.
BASE = dataclasses.replace(DENOISED, descriptors=Descriptors(), resize_to=None)


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(FrontEnd) if f.name not in ("denoise", "descriptors", "resize_to")]
)
def test_the_digest_changes_with_any_parameter(name):
    changed = dataclasses.replace(BASE, **{name: other(getattr(BASE, name))})
    assert changed.digest != BASE.digest


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Denoise)])
def test_the_digest_changes_with_any_parameter_of_denoise(name):
    denoise = dataclasses.replace(DENOISE, **{name: other(getattr(DENOISE, name))})
    assert dataclasses.replace(BASE, denoise=denoise).digest != BASE.digest


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Descriptors)])
def test_the_digest_changes_with_any_parameter_of_descriptors(name):
    step = 2 if name == "median_size" else 1
    descriptors = dataclasses.replace(Descriptors(), **{name: getattr(Descriptors(), name) + step})
    assert dataclasses.replace(BASE, descriptors=descriptors).digest != BASE.digest


@pytest.mark.parametrize("size", [1, 30])
def test_a_median_has_a_middle(size):
    with pytest.raises(UsageError, match=f"median_size is {size}: it must be odd, and at least 3"):
        Descriptors(median_size=size)


def test_descriptors_come_from_a_file(tmp_path: Path):
    (tmp_path / "mine.toml").write_text("spectrograms = false\n[descriptors]\nn_fft = 1024\n")
    assert load(str(tmp_path / "mine.toml")) == dataclasses.replace(
        MEL, name="mine", spectrograms=False, descriptors=Descriptors(n_fft=1024)
    )
    (tmp_path / "mine.toml").write_text("[descriptors]\nn_ftt = 1024\n")
    with pytest.raises(UsageError, match="Descriptors has no parameter 'n_ftt': did you mean 'n_fft'"):
        load(str(tmp_path / "mine.toml"))


DESCRIBED = dataclasses.replace(MEL, descriptors=Descriptors())


def test_what_computes_more_includes_what_computes_less():
    assert MEL.includes(MEL)
    assert DESCRIBED.includes(MEL)
    assert DESCRIBED.includes(dataclasses.replace(DESCRIBED, spectrograms=False))
    assert not MEL.includes(DESCRIBED)
    assert not dataclasses.replace(DESCRIBED, spectrograms=False).includes(MEL)


def test_a_front_end_includes_none_that_hears_otherwise():
    assert not dataclasses.replace(MEL, segment_s=3.0).includes(MEL)
    assert not dataclasses.replace(MEL, n_fft=1024).includes(MEL)
    other = dataclasses.replace(MEL, spectrograms=False, descriptors=Descriptors(n_mels=64))
    assert not DESCRIBED.includes(other)
    assert not DESCRIBED.includes(dataclasses.replace(other, descriptors=Descriptors(), sample_rate_hz=44_100))


def test_numbers_of_spectrograms_do_not_matter_to_descriptors():
    other = dataclasses.replace(DESCRIBED, name="other", spectrograms=False, hop_length=100, fmin_hz=0.0)
    assert DESCRIBED.includes(other)


def test_the_digest_changes_with_what_may_be_none():
    variants = [BASE, dataclasses.replace(BASE, denoise=None), dataclasses.replace(BASE, resize_to=(64, 64))]
    assert len({variant.digest for variant in variants}) == 3


def test_the_digests_of_presets_stay_what_they_are():
    """Tables and bundles of earlier versions name them."""
    known = {"mel": "e2841e55f0221611", "gtzan-published": "1648500beb181aae"}
    known |= {"seed-10s": "1f22665971b3934e", "seed-3s": "d0d8da4b1d5db1cb"}
    assert {name: preset.digest for name, preset in PRESETS.items()} == known


def test_the_digest_is_sixteen_hexadecimal_digits():
    assert all(len(f.digest) == 16 and int(f.digest, 16) >= 0 for f in PRESETS.values())
    assert len({f.digest for f in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"segment_s": 0.01, "min_track_s": 0.01}, "shorter than half an STFT window"),
        ({"segment_hop_s": 0.0}, "hops must be positive"),
        ({"hop_length": 0}, "hops must be positive"),
        ({"scale": "linear", "n_bands": 1026}, "has only 1025 bins"),
        ({"min_track_s": 5.1}, "min_track_s is longer than a segment"),
        ({"spectrograms": False}, "neither spectrograms nor descriptors"),
    ],
)
def test_impossible_parameters_are_refused(changes, said):
    with pytest.raises(UsageError, match=said) as refused:
        dataclasses.replace(MEL, **changes)
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("name", PRESETS)
def test_presets_load_by_name(name):
    assert load(name) is PRESETS[name]
    assert load(name).name == name


def test_a_file_says_what_differs_from_its_preset(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'preset = "seed-10s"\nn_fft = 4096\nresize_to = [240, 320]\n\n[denoise]\nnoise = "minimum-statistics"\nfloor = 0.1\n'
    )
    assert load(str(file)) == dataclasses.replace(
        SEED_10S, name="mine", n_fft=4096, resize_to=(240, 320), denoise=Denoise(noise="minimum-statistics", floor=0.1)
    )


def test_a_file_without_preset_starts_from_mel_and_may_name_itself(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text('name = "low"\nfmin_hz = 0.0\n')
    assert load(str(file)) == dataclasses.replace(MEL, name="low", fmin_hz=0.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hop_lenght = 256", "FrontEnd has no parameter 'hop_lenght': did you mean 'hop_length'?"),
        ('[denoise]\nnoise = "first-seconds"\nflor = 0.1', "Denoise has no parameter 'flor': did you mean 'floor'?"),
        ('preset = "mell"', "no preset 'mell'"),
    ],
)
def test_what_is_misspelt_is_named(tmp_path: Path, text, said):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        load(str(file))
    assert said in str(refused.value)


def test_an_unknown_name_lists_the_presets():
    with pytest.raises(UsageError, match="no front end 'mell': it is one of mel, gtzan-published, seed-10s, seed-3s"):
        load("mell")


def test_json_with_an_unknown_parameter_is_refused():
    values = json.loads(MEL.to_json()) | {"n_mels": 64}
    with pytest.raises(UsageError, match="no parameter 'n_mels'"):
        FrontEnd.from_dict(values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n_fft = 'x'", "n_fft is 'x': it must be int"),
        ("resize_to = 5", "resize_to is 5"),
        ("scale = 'log'", "scale is 'log': it must be one of mel, linear"),
        ("n_bands = 0", "n_bands be at least 1"),
        ("frame_offset = -5", "frame_offset must lie in a segment"),
        ("rotate_180 = 1", "rotate_180 is 1: it must be bool"),
        ("hop_length = true", "hop_length is True"),
        ("[denoise]", "needs noise"),
        ("[denoise]\nnoise = 'minimum'", "noise is 'minimum'"),
        ("n_fft = ", "is no TOML"),
    ],
)
def test_what_is_no_front_end_is_refused_in_one_sentence(tmp_path, text, said):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(said)):
        load(str(file))


def test_five_seconds_are_five_seconds(tmp_path):
    digests = set()
    for text in ("segment_s = 4", "segment_s = 4.0"):
        (tmp_path / "mine.toml").write_text(text)
        digests.add(load(str(tmp_path / "mine.toml")).digest)
    assert len(digests) == 1
