"""A bundle: a directory, on disk or in S3, with all that labelling needs. Nothing in it is ever unpickled.

    bundle.json         front end, taxonomy, name of the model, calibration, provenance, metrics, and the sha256 of each other file
    model.onnx          a network for serving, and
    weights.safetensors its weights, to train on or to run on a GPU; or
    model.skops         a classical baseline on descriptors
    split.parquet       which track stood in which part when it was trained
    MODEL_CARD.md       for people
    BUNDLE_ID           the first 16 hexadecimal digits of the sha256 of bundle.json; written last

The id shows that a bundle is whole and unchanged. It is no signature: who may write the bundle can also write its id.
This module imports no torch, so that a worker that labels on a CPU starts in a second.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from genre_batch.errors import Missing, UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.models.calibrate import Calibration
from genre_batch.models.card import model_card
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

FORMAT = 2
WEIGHTS, ONNX, SKOPS, SPLIT, CARD = "weights.safetensors", "model.onnx", "model.skops", "split.parquet", "MODEL_CARD.md"
FILES = (WEIGHTS, ONNX, SKOPS, SPLIT, CARD)
"""All that a bundle may hold; a model is a network or a baseline."""


class Served(NamedTuple):
    """What computes logits: one of a bundle's files, and the front end it needs."""

    file: str
    data: bytes
    front_end: FrontEnd


@dataclass(frozen=True)
class Bundle:
    """What labels a track. `described` is bundle.json as it stands, `files` the other files by name."""

    described: bytes
    files: dict[str, bytes]

    @property
    def bundle_id(self) -> str:
        return hashlib.sha256(self.described).hexdigest()[:16]

    @property
    def facts(self) -> dict[str, Any]:
        """bundle.json, read."""
        facts: dict[str, Any] = json.loads(self.described)
        return facts

    @property
    def front_end(self) -> FrontEnd:
        return FrontEnd.from_dict(self.facts["front_end"])

    @property
    def taxonomy(self) -> Taxonomy:
        return Taxonomy(tuple(self.facts["taxonomy"]))

    @property
    def calibration(self) -> Calibration:
        return Calibration(**self.facts["calibration"])

    @property
    def split(self) -> pa.Table:
        """track_id, genre, artist, part."""
        return pq.read_table(pa.BufferReader(self.files[SPLIT]))

    @property
    def served(self) -> Served:
        file = ONNX if ONNX in self.files else SKOPS
        return Served(file, self.files[file], self.front_end)

    @classmethod
    def assemble(
        cls,
        *,
        name: str,
        model: dict[str, bytes],
        front_end: FrontEnd,
        taxonomy: Taxonomy,
        calibration: Calibration,
        split: pa.Table,
        provenance: dict[str, Any],
        metrics: dict[str, Any],
    ) -> Self:
        """A bundle from its parts; `model`: ONNX and WEIGHTS of a network, or SKOPS of a baseline."""
        facts: dict[str, Any] = {
            "format": FORMAT,
            "model": name,
            "front_end": json.loads(front_end.to_json()),
            "taxonomy": list(taxonomy.genres),
            "calibration": asdict(calibration),
            "provenance": provenance,
            "metrics": metrics,
        }
        table = pa.BufferOutputStream()
        pq.write_table(split, table)
        card = model_card(facts, split).encode()
        files = {**model, SPLIT: table.getvalue().to_pybytes(), CARD: card}
        facts["files"] = {name: _sha256(data) for name, data in files.items()}
        return cls(json.dumps(facts, indent=2, sort_keys=True).encode(), files)

    def write(self, url: str) -> None:
        """Store it, over an older one if there is one. Raises StoreUnreachable."""
        url = storage.normal(url)
        storage.remove(storage.join(url, "BUNDLE_ID"))
        for name, data in (*self.files.items(), ("bundle.json", self.described), ("BUNDLE_ID", self.bundle_id.encode())):
            storage.write_bytes(storage.join(url, name), data)


def load(url: str) -> Bundle:
    """Read a bundle and check it. Raises UsageError if it is not whole or was changed, StoreUnreachable."""
    url = storage.normal(url)
    bundle_id, described = _read(url, "BUNDLE_ID").decode(errors="replace"), _read(url, "bundle.json")
    if Bundle(described, {}).bundle_id != bundle_id:
        raise UsageError(f"bundle {url} is refused: bundle.json was changed after it was written (its id is {bundle_id})")
    facts = Bundle(described, {}).facts
    if facts["format"] != FORMAT:
        raise UsageError(f"bundle {url} has format {facts['format']}; this version reads format {FORMAT}")
    if unknown := set(facts["files"]) - set(FILES):
        raise UsageError(f"bundle {url} is refused: it names {min(unknown)!r}, which no bundle holds")
    files = {name: _read(url, name) for name in facts["files"]}
    for name, data in files.items():
        if _sha256(data) != facts["files"][name]:
            raise UsageError(f"bundle {url} is refused: {name} was changed after it was written")
    return Bundle(described, files)


def _read(url: str, name: str) -> bytes:
    try:
        return storage.read_bytes(storage.join(url, name))
    except Missing as error:
        raise UsageError(f"{url} is no whole bundle: {error}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
