"""A small bundle; a test changes what it is about. The network's files are bytes like any other to a bundle."""

import dataclasses
from typing import Any

import pyarrow as pa

from genre_batch.front_end import MEL
from genre_batch.models.bundle import Bundle, Member
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import Taxonomy

SMALL = dataclasses.replace(MEL, name="small", segment_s=1.0, segment_hop_s=1.0, n_bands=32)

SPLIT = pa.table(
    {
        "track_id": ["a", "b", "c", "d", "e", "f"],
        "genre": ["rock", "rock", "rock", "jazz", "jazz", "jazz"],
        "artist": pa.array(["Ada", "Bob", "Cid", "Dan", None, None], pa.string()),
        "part": ["train", "train", "test", "train", "valid", "test"],
    }
)


def figures(**changes: float) -> dict[str, float]:
    """The figures of one part, as the model card needs them."""
    return {
        "n_tracks": 2,
        "track_accuracy": 0.8125,
        "segment_accuracy": 0.75,
        "macro_f1": 0.7,
        "ece": 0.05,
        "coverage": 0.9,
        "selective_accuracy": 0.95,
    } | changes


def sample(*, weights: bytes = b"the weights", onnx: bytes = b"the network", **changes: Any) -> Bundle:
    return Bundle.assemble(
        **{
            "name": "compact",
            "members": [Member("compact", ("spectrograms",), {"model.onnx": onnx, "weights.safetensors": weights})],
            "front_end": SMALL,
            "taxonomy": Taxonomy(("jazz", "rock")),
            "calibration": Calibration(temperature=1.7, unknown_below=0.4321),
            "split": SPLIT,
            "provenance": {"options": {"split": "artist"}, "split_digest": "0123", "seed": 3, "shards_version": 7},
            "metrics": {"valid": figures(), "test": figures(track_accuracy=0.5)},
        }
        | changes
    )
