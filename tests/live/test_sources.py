"""Recordings, raw samples and encoded audio as blocks."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from genre_batch.embedded.song import Manner, render
from genre_batch.errors import Empty, UsageError
from genre_batch.live import sources
from genre_batch.live.answer import Ended
from genre_batch.live.coding import Coding
from genre_batch.live.listen import Block
from genre_batch.live.pipe import Pipe
from genre_batch.live.sources import Raw
from genre_batch.signal import encode, sound
from tests.live.made import DAMAGES, RATE_HZ, damaged, encoded, song, wav


@contextmanager
def piped(*parts: bytes, pause_s: float = 0.0) -> Iterator[Pipe]:
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb", buffering=0) as file:
            for n, part in enumerate(parts):
                time.sleep(pause_s if n else 0)
                try:
                    file.write(part)
                except BrokenPipeError:
                    return

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield Pipe(read, threading.Event())
    finally:
        os.close(read)
        feeder.join()


def joined(blocks: list[Block]) -> np.ndarray:
    return np.concatenate([block.samples for block in blocks])


def test_integers_of_16_bits_in_stereo():
    frames = np.array([[0, 0], [32_767, -32_768], [16_384, 0]], "<i2")
    with piped(frames.tobytes()) as pipe:
        blocks = list(sources.raw(pipe, Raw(8000, 2)))
    assert [block.rate_hz for block in blocks] == [8000]
    np.testing.assert_allclose(joined(blocks), [0, -0.5 / 32_768, 0.25], atol=1e-9)


def test_floats_come_20_ms_at_a_time_however_they_are_written():
    samples = song("metal")[:8000]
    data = samples.astype("<f4").tobytes()
    with piped(data[:1001], data[1001:5], data[1001:]) as pipe:
        blocks = list(sources.raw(pipe, Raw(RATE_HZ, 1, Coding.F32LE)))
    assert {len(block.samples) for block in blocks[:-1]} == {441}
    np.testing.assert_array_equal(joined(blocks), samples)
    assert not any(block.gap for block in blocks)


def test_half_a_frame_at_the_end_is_dropped():
    with piped(b"\0\0\0\0\1") as pipe:
        assert joined(list(sources.raw(pipe, Raw(8000)))).tolist() == [0, 0]


def test_half_a_frame_alone_in_the_last_chunk_is_dropped_too():
    with piped(bytes(2 * 480 + 1)) as pipe:
        assert [len(block.samples) for block in sources.raw(pipe, Raw(8000))] == [160, 160, 160]


def test_a_pipe_that_brings_no_sample_ends_empty():
    with piped(b"\0") as pipe:
        ended = sources.live(sources.raw(pipe, Raw(8000)), lambda blocks: Ended(float(len(list(blocks))), None))
    assert (ended.duration_s, ended.verdict) == (0, None)
    assert isinstance(ended.refused, Empty)


def test_a_source_that_says_nothing_for_long_has_a_gap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "GAP_S", 0.5)
    second = np.zeros(8000, "<i2").tobytes()
    with piped(second, second, pause_s=1.0) as pipe:
        blocks = list(sources.raw(pipe, Raw(8000)))
    assert [n for n, block in enumerate(blocks) if block.gap] == [50]


def test_floats_that_are_no_audio():
    with piped(np.array([np.nan, 1e30], "<f4").tobytes()) as pipe, pytest.raises(UsageError, match="are --format, --rate and"):
        list(sources.raw(pipe, Raw(8000, 1, Coding.F32LE)))


@pytest.mark.parametrize(("rate_hz", "channels", "said"), [(10, 1, "--rate 10 is no sample rate"), (8000, 0, "at least one")])
def test_raw_samples_that_cannot_be(rate_hz: int, channels: int, said: str):
    with pytest.raises(UsageError, match=said):
        Raw(rate_hz, channels)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_encoded_audio_on_a_pipe(ending: str):
    data = encoded("disco", 6.0, ending)
    with piped(data) as pipe:
        blocks = list(sources.encoded(pipe))
    expected = sound.read(data)
    heard = joined(blocks)
    assert {block.rate_hz for block in blocks} == {expected.rate_hz}
    assert max(len(block.samples) for block in blocks) < 0.5 * expected.rate_hz
    if ending in ("wav", "flac"):
        np.testing.assert_array_equal(heard, expected.mono)
    assert abs(len(heard) - len(expected.mono)) < 0.1 * expected.rate_hz


def test_encoded_audio_comes_before_three_seconds_of_it_are_there():
    data, came = encoded("disco", 30.0, "mp3"), []
    with piped(*(data[i : i + 400] for i in range(0, len(data), 400))) as pipe:
        plain, read = pipe.read, 0

        def counted(n: int) -> bytes:
            nonlocal read
            found = plain(n)
            read += len(found)
            return found

        pipe.read = counted  # type: ignore[method-assign]
        next(sources.encoded(pipe))
        came.append(read)
    assert came[0] / len(data) * 30 < 3


def test_a_pipe_that_holds_no_audio():
    with (
        piped(b"This is a letter.\n" * 50) as pipe,
        pytest.raises(UsageError, match=r"no audio that FFmpeg knows .*give --rate"),
    ):
        list(sources.encoded(pipe))


def test_a_stream_that_breaks_off_ends_there():
    data = encoded("disco", 6.0, "flac")
    with piped(data[: len(data) // 2]) as pipe:
        heard = joined(list(sources.encoded(pipe)))
    assert RATE_HZ < len(heard) < 6 * 44_100


def heard_of(data: bytes) -> list[Block]:
    with piped(data) as pipe:
        return list(sources.encoded(pipe))


def seconds(blocks: list[Block]) -> float:
    return sum(len(block.samples) / block.rate_hz for block in blocks)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_spot_is_a_gap_and_not_the_end(kind: str):
    data = encoded("disco", 8.0, "mp3")
    whole, blocks = heard_of(data), heard_of(damaged(data, kind, 0.5))
    assert not any(block.gap for block in whole)
    [gap] = [n for n, block in enumerate(blocks) if block.gap]
    # A thousand bytes are an eighth of a second, and the frames that they begin and end in are lost too.
    assert seconds(blocks[:gap]) == pytest.approx(4.0, abs=0.1)
    assert seconds(blocks) == pytest.approx(seconds(whole), abs=0.3)
    np.testing.assert_array_equal(joined(blocks)[-3 * RATE_HZ :], joined(whole)[-3 * RATE_HZ :])


def test_damage_that_a_decoder_has_its_own_number_for():
    sounding = render("disco", Manner.of(np.random.default_rng(1)), np.random.default_rng(2), 8.0)
    data = encode.ffmpeg(sounding[:, None], RATE_HZ, "ac3", "ac3", {"b": "96000"}, coded_hz=48_000)
    blocks = heard_of(damaged(data, "overwritten", 0.5))
    assert seconds(blocks) == pytest.approx(8.0, abs=0.3)
    assert any(block.gap for block in blocks)


def test_what_is_damaged_at_its_beginning_has_no_gap_there():
    data = encoded("disco", 8.0, "mp3")
    # The first frame with sound begins there, after tags and a frame that tells of the encoder.
    blocks = heard_of(damaged(data, "overwritten", 440 / len(data), 20))
    assert seconds(blocks) > 7.5
    assert not blocks[0].gap


def test_a_recording_is_decoded_in_long_blocks(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(wav(song("metal")))
    seen: list[Block] = []

    def use(blocks: Iterator[Block]) -> Ended:
        seen.extend(blocks)
        return Ended(1.0, None)

    assert sources.recording(str(tmp_path / "a.wav"), 10.0, use) == Ended(1.0, None)
    assert [len(block.samples) for block in seen] == [10 * RATE_HZ, len(song("metal")) - 10 * RATE_HZ]
    np.testing.assert_array_equal(joined(seen), song("metal"))


@pytest.mark.parametrize(
    ("data", "said"), [(None, "cannot be read: No such file"), (b"", "empty"), (b"a letter" * 99, "undecodable")]
)
def test_a_recording_that_cannot_be_heard(tmp_path: Path, data: bytes | None, said: str):
    path = tmp_path / "a.wav"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError, match=said) as error:
        sources.recording(str(path), 10.0, lambda blocks: Ended(float(len(list(blocks))), None))
    assert str(path) in str(error.value)
