"""How soon the live label notices another song, what noise and denoising do to it, and what listening costs.

    python -m benchmarks.live --recordings gtzan/genres_original

joins excerpts of different genres to streams and counts the seconds from the beginning of an excerpt to its genre. White noise is added
so many dB below each stream, and the stream is denoised as `listen --denoise` does, and by the parameters that front ends have, which
are those for speech. Recordings that the bundle was not trained on are taken first. GTZAN is what the published bundle was trained on:
then genres are recognised better than those of other music, and what the figures tell is time.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import report
from benchmarks.line import most_mb
from genre_batch.choices import Layout
from genre_batch.errors import TrackError
from genre_batch.front_end import Denoise
from genre_batch.live import chain
from genre_batch.live.answer import Answer
from genre_batch.live.listen import Block, listen
from genre_batch.live.now import Now
from genre_batch.models import bundle as bundles
from genre_batch.models.bundle import Bundle
from genre_batch.signal import sound
from genre_batch.signal.decode import Samples
from genre_batch.tables import library, storage

EXCERPT_S, LEAST_S = 20, 15
EXCERPTS = 3
SEED = 1
"""Not 0: on those streams the parameters of `--denoise` were chosen."""
DENOISED = {"no": None, "gently": chain.DENOISE, "as speech": Denoise(noise="minimum-statistics")}
NOISE_DB = (None, 20, 10, 5)
WITHIN_S = 10
PASSAGES_S = (2, 3, 4, 5)
RATE_HZ = 22_050
CHUNK_S = 0.1


@dataclass(frozen=True)
class Excerpt:
    genre: str
    samples: Samples
    new: bool
    """Whether the bundle was not trained on it."""


@dataclass(frozen=True)
class Change:
    """One excerpt that followed another: seconds from its beginning to its genre, None where that never came; and its seconds from WITHIN_S
    on, with how many of these had the right label and how often it changed within them."""

    after_s: float | None
    settled: int
    right: int
    flips: int


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--recordings", required=True, help="folder with a folder of recordings for each genre")
    options.add_argument("--bundle", default="gtzan", help="default %(default)s")
    options.add_argument("--streams", type=int, default=24, help="of three excerpts each, default %(default)s")
    options.add_argument("--minutes", type=float, default=20, help="of audio for cost and memory, default %(default)s")
    asked = options.parse_args()
    bundle = bundles.load(asked.bundle)
    excerpts = list(_excerpts(asked.recordings, bundle))
    if len({excerpt.genre for excerpt in excerpts}) < EXCERPTS:
        sys.exit(f"{asked.recordings} holds too few genres of {bundle.taxonomy.genres} with excerpts of {LEAST_S} s")
    new = sum(excerpt.new for excerpt in excerpts)
    print(f"{len(excerpts)} excerpts, {new} of them not heard in training", file=sys.stderr)
    with threadpool_limits(1):
        streams = list(joined(excerpts, asked.streams, np.random.default_rng(SEED)))
        rows = [_row(streams, bundle, noise_db, how) for noise_db in NOISE_DB for how in DENOISED]
        passages = [_passage_row(streams, bundle, passage_s) for passage_s in PASSAGES_S]
        costs = [_cost(excerpts, bundle, asked.minutes, denoise) for denoise in (None, chain.DENOISE)]
    report.show(f"Seconds to the genre of the next song, {asked.streams * (EXCERPTS - 1)} changes", rows, asked.json)
    report.show("A passage of another genre within a song", passages, None)
    report.show(f"What listening costs, {asked.minutes:g} min of audio after the start", costs, None)


def _excerpts(url: str, bundle: Bundle) -> Iterator[Excerpt]:
    known = set(bundle.split["track_id"].to_pylist())
    for row in library.read(url, Layout.GENRE_FOLDERS).tracks.to_pylist():
        if row["genre"] not in bundle.taxonomy.genres:
            continue
        try:
            samples = sound.read(storage.read_bytes(row["uri"])).at(RATE_HZ).mono[: EXCERPT_S * RATE_HZ]
        except TrackError:
            continue
        if len(samples) >= LEAST_S * RATE_HZ:
            name = row["track_id"].rsplit("/", 1)[-1].rsplit(".", 1)[0]
            yield Excerpt(row["genre"], samples, name not in known)


def joined(excerpts: Sequence[Excerpt], n: int, random: np.random.Generator) -> Iterator[list[Excerpt]]:
    """n streams of EXCERPTS excerpts, no genre twice in one; new ones first, each at most once before any comes again."""
    waiting: list[Excerpt] = []
    for _ in range(n):
        stream: list[Excerpt] = []
        while len(stream) < EXCERPTS:
            taken = {excerpt.genre for excerpt in stream}
            place = next((i for i, excerpt in enumerate(waiting) if excerpt.genre not in taken), None)
            if place is None:
                order = random.permutation(len(excerpts))
                waiting += sorted((excerpts[i] for i in order), key=lambda excerpt: not excerpt.new)
            else:
                stream.append(waiting.pop(place))
        yield stream


def noisy(samples: Samples, noise_db: float | None, random: np.random.Generator) -> Samples:
    """With white noise whose power is so many dB below that of the samples."""
    if noise_db is None:
        return samples
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-noise_db / 20)
    return (samples + level * random.standard_normal(len(samples))).astype(np.float32)


def answers(samples: Samples, bundle: Bundle, denoise: Denoise | None) -> list[Answer]:
    now, size = Now(bundle, denoise), round(CHUNK_S * RATE_HZ)
    return [answer for i in range(0, len(samples), size) for answer in now.hear(samples[i : i + size], RATE_HZ)]


def changes(stream: Sequence[Excerpt], told: Sequence[Answer]) -> Iterator[Change]:
    """What became of each excerpt but the first."""
    began_s = 0.0
    for n, excerpt in enumerate(stream):
        ended_s = began_s + len(excerpt.samples) / RATE_HZ
        mine = [answer for answer in told if began_s < answer.time_s <= ended_s]
        if n:
            right = [answer.time_s for answer in mine if answer.best_genre == excerpt.genre]
            late = [answer.best_genre for answer in mine if answer.time_s > began_s + WITHIN_S]
            flips = sum(a != b for a, b in pairwise(late))
            yield Change(right[0] - began_s if right else None, len(late), late.count(excerpt.genre), flips)
        began_s = ended_s


def _row(streams: Sequence[list[Excerpt]], bundle: Bundle, noise_db: float | None, how: str) -> dict[str, Any]:
    random = np.random.default_rng(1)
    found: list[Change] = []
    states: list[str] = []
    for stream in streams:
        samples = noisy(np.concatenate([excerpt.samples for excerpt in stream]), noise_db, random)
        told = answers(samples, bundle, DENOISED[how])
        found += changes(stream, told)
        states += [answer.state for answer in told]
    after = np.array([np.inf if change.after_s is None else change.after_s for change in found])
    return {
        "noise": "none" if noise_db is None else f"{noise_db} dB",
        "denoised": how,
        "median s": float(np.median(after)),
        f"within {WITHIN_S} s": float(np.mean(after <= WITHIN_S)),
        "never": float(np.mean(np.isinf(after))),
        "right later": sum(change.right for change in found) / sum(change.settled for change in found),
        "flips a minute": 60 * sum(change.flips for change in found) / sum(change.settled for change in found),
        "stable": states.count("stable") / len(states),
    }


def _passage_row(streams: Sequence[list[Excerpt]], bundle: Bundle, passage_s: int) -> dict[str, Any]:
    """The second excerpt's beginning inside the first: in how many streams the label never changed from before it to the end."""
    kept = tried = 0
    for first, other, _ in streams:
        half, n = len(first.samples) // 2, passage_s * RATE_HZ
        whole = np.concatenate([first.samples[:half], other.samples[:n], first.samples[half:]])
        told = [answer.best_genre for answer in answers(whole, bundle, None)]
        before = told[int(half / RATE_HZ) - 3]
        tried += 1
        kept += all(genre == before for genre in told[int(half / RATE_HZ) - 3 :])
    return {"passage s": passage_s, "songs": tried, "label kept": kept / tried}


def _cost(excerpts: Sequence[Excerpt], bundle: Bundle, minutes: float, denoise: Denoise | None) -> dict[str, Any]:
    """The whole of `listen`, verdict and all, on a stream that comes in chunks of CHUNK_S."""
    size = round(CHUNK_S * RATE_HZ)
    started: list[float] = []
    early: list[float] = []

    def blocks() -> Iterator[Block]:
        passed = 0
        while passed < minutes * 60 * RATE_HZ:
            for excerpt in excerpts:
                for i in range(0, len(excerpt.samples), size):
                    yield Block(RATE_HZ, excerpt.samples[i : i + size])
                    passed += len(excerpt.samples[i : i + size])
                if not started:
                    started.extend((time.process_time(), passed / RATE_HZ))
                if not early and passed > minutes * 15 * RATE_HZ:
                    early.append(most_mb())

    ended = listen(blocks(), bundle, lambda answer: None, denoise=denoise)
    cpu_s, audio_s = time.process_time() - started[0], ended.duration_s - started[1]
    return {
        "denoised": "yes" if denoise else "no",
        "% of a core": 100 * cpu_s / audio_s,
        "MB after a quarter": early[0],
        "MB at the end": most_mb(),
    }


if __name__ == "__main__":
    main()
