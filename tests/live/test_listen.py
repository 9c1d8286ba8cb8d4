"""A stream from its beginning to its verdict, which is label-catalog's."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from genre_batch.embedded import library
from genre_batch.errors import Empty
from genre_batch.live import chain, sources, stop
from genre_batch.live.answer import Answer, Ended
from genre_batch.live.forward import Forward
from genre_batch.live.listen import Block, listen
from genre_batch.models.verdict import Verdict
from genre_batch.signal import decode, encode
from schemas.rejects import Reason
from tests.live.made import RATE_HZ, as_labelled, damaged, encoded, published, small, song, wav


def heard(samples: np.ndarray, size: int, rate_hz: int = RATE_HZ, **more) -> tuple[list[Answer], Ended]:
    found: list[Answer] = []
    blocks = (Block(rate_hz, samples[i : i + size]) for i in range(0, len(samples), size))
    return found, listen(blocks, more.pop("bundle", published()), found.append, **more)


def of_unknown_size(data: bytes) -> bytes:
    """A WAV as programs write it that cannot go back and fill in how long it became: libsndfile finds no sample in it."""
    at = data.index(b"data") + 4
    return data[:at] + bytes(4) + data[at + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(wav(song("metal")), id="wav"),
        pytest.param(wav(song("jazz", 16.0, 44_100), 44_100), id="44.1 kHz"),
        pytest.param(
            encode.libsndfile(np.column_stack([song("pop", 16.0, 48_000)] * 2), 48_000, "FLAC", "PCM_16"), id="stereo"
        ),
        pytest.param(wav(song("disco")[: 4 * RATE_HZ]), id="short"),
        pytest.param(of_unknown_size(encoded("disco", 12.0)), id="data size 0"),
        *[pytest.param(encoded("rock", 12.0, ending), id=ending) for ending in library.ENDINGS],
    ],
)
def test_the_verdict_of_a_file_is_label_catalogs(data: bytes):
    def use(stream: decode.Stream) -> Ended:
        return listen((Block(stream.rate_hz, each) for each in decode.mono(stream)), published(), lambda answer: None)

    ended = decode.decoded(data, published().front_end.block_s, use)
    expected = as_labelled(data, published())
    assert ended.exact
    assert ended.verdict is not None
    assert ended.verdict.genre == expected.genre
    assert ended.verdict.confidence == pytest.approx(expected.confidence, abs=1e-6)
    assert ended.verdict.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 44_100])
def test_chunks_of_20_ms_or_1_s_give_the_same(rate_hz: int):
    samples = song("jazz", 16.0, rate_hz)
    first = heard(samples, rate_hz // 50, rate_hz)
    for size in (rate_hz, round(0.7 * rate_hz)):
        assert heard(samples, size, rate_hz) == first
    assert first[1].verdict == as_labelled(wav(samples, rate_hz), published())


def test_denoising_reaches_the_verdict():
    samples = song("jazz") + 0.02 * np.random.default_rng(0).standard_normal(len(song("jazz"))).astype(np.float32)
    plain, cleaned = heard(samples, RATE_HZ), heard(samples, RATE_HZ, denoise=chain.DENOISE)
    assert plain[1].verdict != cleaned[1].verdict
    assert cleaned == heard(samples, RATE_HZ // 50, denoise=chain.DENOISE)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(15 * RATE_HZ, np.float32), Reason.SILENT),
        (song("metal")[: RATE_HZ // 2], Reason.TOO_SHORT),
        (np.zeros(0, np.float32), Reason.TOO_SHORT),
    ],
)
def test_what_label_catalog_refuses_ends_with_the_reason(samples: np.ndarray, reason: Reason):
    _, ended = heard(samples, RATE_HZ)
    assert ended.verdict is None
    assert ended.refused is not None
    assert ended.refused.reason is reason
    assert ended.duration_s == pytest.approx(len(samples) / RATE_HZ)


def test_a_recording_without_a_sample_ends_empty(tmp_path: Path):
    path = tmp_path / "a.wav"
    path.write_bytes(encode.libsndfile(np.zeros(0), RATE_HZ, "WAV", "PCM_16"))
    ended = sources.recording(str(path), 1.0, lambda blocks: listen(blocks, published(), lambda answer: None))
    assert (ended.duration_s, ended.verdict) == (0, None)
    assert isinstance(ended.refused, Empty)


def test_a_recording_that_is_decoded_twice_is_told_once_and_caught_up_with(tmp_path: Path):
    path = tmp_path / "a.flac"
    path.write_bytes(damaged(encoded("jazz", 5.5, "flac"), "overwritten", 0.85))
    passes, told = [], []
    forward, wait, began = Forward(told.append), stop.as_played(threading.Event()), time.monotonic()

    def use(blocks: Iterator[Block]) -> Ended:
        passes.append(time.monotonic() - began)
        return listen(blocks, published(), forward, wait=wait)

    ended = sources.recording(str(path), 1.0, use)
    assert len(passes) == 2
    assert passes[1] > 3.9
    assert [answer.time_s for answer in told] == [3, 4, 5]
    assert ended.duration_s == pytest.approx(5.5, abs=0.3)
    # A clock that began anew would make it nine seconds.
    assert 5.1 < time.monotonic() - began < 8


def test_ends_where_it_is_told_to_and_judges_what_was_heard():
    samples = song("metal")
    found, ended = heard(samples, 10 * RATE_HZ, wait=lambda time_s: time_s < 6.05)
    assert ended.duration_s == pytest.approx(6.0, abs=0.01)
    assert [a.time_s for a in found] == [3, 4, 5, 6]
    assert ended.verdict == as_labelled(wav(samples[: round(ended.duration_s * RATE_HZ)]), published())


def test_the_rate_may_change_and_samples_be_missing():
    def blocks() -> Iterator[Block]:
        yield Block(RATE_HZ, song("pop")[: 5 * RATE_HZ])
        yield Block(48_000, song("pop", 16.0, 48_000)[5 * 48_000 : 10 * 48_000])
        yield Block(48_000, song("pop", 16.0, 48_000)[12 * 48_000 : 16 * 48_000], gap=True)

    found: list[Answer] = []
    ended = listen(blocks(), published(), found.append)
    assert ended.duration_s == pytest.approx(14.0, abs=0.01)
    assert [a.time_s for a in found] == list(range(3, 15))
    assert ended.verdict is not None


@pytest.mark.parametrize("reference", ["segment", "track"])
def test_other_front_ends(reference: str):
    samples = song("rock")[: 7 * RATE_HZ]
    found, ended = heard(samples, RATE_HZ // 3, bundle=small(reference))
    assert [a.time_s for a in found] == [3, 4, 5, 6, 7]
    assert isinstance(ended.verdict, Verdict)
    assert ended.verdict == as_labelled(wav(samples), small(reference))
