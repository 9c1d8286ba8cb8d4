"""Songs and bundles for the tests of the live label."""

import dataclasses
from functools import cache

import numpy as np
import torch

from genre_batch.embedded import library
from genre_batch.embedded.song import Manner, render
from genre_batch.models import bundle as bundles
from genre_batch.models import export, join, networks, scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.verdict import Verdict, judge
from genre_batch.signal import sound
from genre_batch.signal.extract import extract
from genre_batch.signal.sound import Sound
from tests.sample_bundle import SMALL, sample

RATE_HZ = 22_050


@cache
def published() -> Bundle:
    return bundles.load("gtzan")


@cache
def encoded(genre: str, song_s: float = 16.0, ending: str = "wav") -> bytes:
    """A song as a file of the embedded library."""
    manner = Manner.of(np.random.default_rng(1))
    return library.encode(render(genre, manner, np.random.default_rng(2), song_s), ending)


@cache
def song(genre: str, song_s: float = 16.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """[shape=(n,), float32, mono]"""
    samples = sound.read(encoded(genre, song_s)).at(rate_hz).mono
    samples.setflags(write=False)
    return samples


def wav(samples: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    return sound.write(Sound(rate_hz, samples[:, None]))


@cache
def small(reference: str = "segment") -> Bundle:
    """Segments of one second that begin every half one, and two networks of which one is recurrent; what they say means nothing."""
    front_end = dataclasses.replace(SMALL, segment_hop_s=0.5, reference=reference)
    members = []
    for name in ("compact", "crnn"):
        torch.manual_seed(0)
        network = networks.build(name, front_end.spectrogram_shape, 2).train()
        levels = np.random.default_rng(0).integers(0, 256, (8, *front_end.spectrogram_shape), np.uint8)
        network(torch.from_numpy(levels), None, torch.tensor([8]))
        members.append(export.member(network.eval(), name, front_end.spectrogram_shape))
    return sample(members=members, join=join.mean(2, 2), front_end=front_end)


DAMAGES = ("missing", "overwritten", "inserted")


def damaged(data: bytes, kind: str, at: float, n: int = 1000) -> bytes:
    """With n bytes missing, overwritten at random, or put in, where the share `at` of the file has passed; kind: one of DAMAGES."""
    start = round(at * len(data))
    junk = b"" if kind == "missing" else np.random.default_rng(0).bytes(n)
    return data[:start] + junk + data[start if kind == "inserted" else start + n :]


def as_labelled(data: bytes, bundle: Bundle) -> Verdict:
    """As label-catalog labels a recording."""
    features = extract(data, bundle.front_end)
    return judge(bundle, scorer.of(bundle, "cpu")(features.spectrograms, features.descriptors))
