"""Answers once a second, the same ones however the samples come."""

import numpy as np
import pytest

from genre_batch.live import chain
from genre_batch.live.answer import Answer, State
from genre_batch.live.now import LAG_S, Now
from tests.live.made import RATE_HZ, published, song


def answers(samples: np.ndarray, size: int, rate_hz: int = RATE_HZ, denoise: bool = False) -> list[Answer]:
    now = Now(published(), chain.DENOISE if denoise else None)
    return [a for i in range(0, len(samples), size) for a in now.hear(samples[i : i + size], rate_hz)]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


@pytest.mark.parametrize(("rate_hz", "denoise"), [(RATE_HZ, False), (44_100, False), (44_100, True)])
def test_chunks_of_20_ms_or_1_s_give_the_same_answers(rate_hz: int, denoise: bool):
    samples = song("metal", 16.0, rate_hz)[: 6 * rate_hz]
    by_second = answers(samples, rate_hz, rate_hz, denoise)
    assert [a.time_s for a in by_second] == [3, 4, 5, 6]
    for size in (rate_hz // 50, 333 * rate_hz // 1000, len(samples)):
        assert answers(samples, size, rate_hz, denoise) == by_second


@pytest.mark.parametrize(("rate_hz", "denoise"), [(RATE_HZ, False), (8_000, True), (48_000, True)])
def test_the_first_answer_comes_within_three_seconds_of_audio(rate_hz: int, denoise: bool):
    now = Now(published(), chain.DENOISE if denoise else None)
    samples, size = song("disco", 16.0, rate_hz), rate_hz // 50
    for n in range(150):
        found = list(now.hear(samples[n * size : (n + 1) * size], rate_hz))
        if found:
            break
    assert found[0].time_s == 3
    assert found[0].state is State.WARMING
    assert n >= (3 - LAG_S) * 50 - 1
    assert len(found[0].top) == 3
    assert found[0].top[0][1] == found[0].confidence


def test_after_ten_seconds_it_is_stable_or_unknown_by_the_threshold():
    found = answers(song("classical"), RATE_HZ)
    below = published().calibration.unknown_below
    assert {a.state for a in found if a.time_s < 10} == {State.WARMING}
    late = [a for a in found if a.time_s >= 10]
    assert len(late) == 7
    for answer in late:
        assert answer.state is (State.STABLE if answer.confidence >= below else State.UNKNOWN)
        assert answer.genre == (answer.best_genre if answer.state is State.STABLE else "unknown")


def test_silence_is_unknown_and_what_comes_after_it_is_new():
    found = answers(np.concatenate([song("metal")[: 5 * RATE_HZ], silence(5), song("classical")[: 6 * RATE_HZ]]), RATE_HZ)
    by_time = {a.time_s: a for a in found}
    assert by_time[5].best_genre is not None
    for time_s in (8, 9, 10):
        assert (by_time[time_s].state, by_time[time_s].best_genre, by_time[time_s].top) == (State.UNKNOWN, None, ())
    alone = {a.time_s: a for a in answers(np.concatenate([silence(10), song("classical")[: 6 * RATE_HZ]]), RATE_HZ)}
    assert by_time[14] == alone[14]
    assert by_time[14].best_genre is not None
    assert by_time[14].state is State.WARMING


def test_a_rest_of_a_second_is_part_of_the_song():
    found = answers(np.concatenate([song("metal")[: 6 * RATE_HZ], silence(1.5), song("metal")[6 * RATE_HZ :]]), RATE_HZ)
    assert all(a.best_genre is not None for a in found)


def test_silence_from_the_start_is_told_too():
    found = answers(silence(5), RATE_HZ)
    assert [(a.time_s, a.state, a.genre) for a in found] == [(t, State.UNKNOWN, "unknown") for t in (3, 4, 5)]


def test_both_sides_of_a_gap_are_in_no_picture_together():
    now = Now(published())
    before = list(now.hear(song("metal")[: 6 * RATE_HZ], RATE_HZ))
    after = list(now.hear(song("metal")[8 * RATE_HZ :], RATE_HZ, gap=True))
    held = before[-1]
    # Until there is enough for a look of its own, what was known goes on.
    assert [a.time_s for a in after[:3]] == [7, 8, 9]
    assert all(a.top == held.top for a in after[:2])
    assert after[3].top != held.top
    assert now.window.length == len(now.window.samples)


def test_the_rate_may_change():
    now = Now(published())
    list(now.hear(song("pop")[: 4 * RATE_HZ], RATE_HZ))
    found = list(now.hear(song("pop", 16.0, 44_100)[4 * 44_100 : 8 * 44_100], 44_100))
    same = answers(song("pop")[: 8 * RATE_HZ], RATE_HZ)[2:]
    assert [a.time_s for a in found] == [5, 6, 7, 8]
    for one, other in zip(found, same, strict=True):
        assert one.best_genre == other.best_genre
        assert one.confidence == pytest.approx(other.confidence, abs=0.05)


def test_another_song_is_noticed_within_ten_seconds():
    found = answers(np.concatenate([song("classical")[: 12 * RATE_HZ], song("pop")]), RATE_HZ)
    first = next(a.best_genre for a in found if a.time_s == 12)
    # What the published bundle makes of rendered songs is another matter; that it is another label is enough.
    alone = answers(song("pop"), RATE_HZ)[-1].best_genre
    assert first != alone
    assert next(a.time_s for a in found if a.time_s > 12 and a.best_genre == alone) <= 22


def test_memory_does_not_grow():
    import tracemalloc

    now, minute = Now(published()), song("disco")[: 10 * RATE_HZ]
    sizes = []
    tracemalloc.start()
    for _ in range(6):
        for _ in now.hear(minute, RATE_HZ):
            pass
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[-1] - sizes[1] < 50_000
