"""A bundle: a directory, on disk or in S3, with all that labelling needs. Nothing in it is ever unpickled.

    bundle.json         front end, taxonomy, members, calibration, provenance, metrics, and the sha256 of each other file
    model.onnx          a network for serving, and
    weights.safetensors its weights, to train on or to run on a GPU; or
    model.skops         a classical baseline
    2/model.onnx, ...   the same of the second member, where several models are joined
    split.parquet       which track stood in which part when it was trained
    folds.parquet       where it was cross-validated: what each track was called by a model that had not heard its artist
    MODEL_CARD.md       for people
    BUNDLE_ID           the first 16 hexadecimal digits of the sha256 of bundle.json; written last

The id shows that a bundle is whole and unchanged. It is no signature: who may write the bundle can also write its id.
This module imports no torch, so that a worker that labels on a CPU starts in a second.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files as package_files
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from genre_batch.errors import Missing, UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.models.calibrate import Calibration
from genre_batch.models.card import model_card
from genre_batch.models.join import Join
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

FORMAT = 3
WEIGHTS, ONNX, SKOPS = "weights.safetensors", "model.onnx", "model.skops"
SPLIT, FOLDS, CARD = "split.parquet", "folds.parquet", "MODEL_CARD.md"
FILES = re.compile(
    rf"(\d+/)?({'|'.join(map(re.escape, (WEIGHTS, ONNX, SKOPS)))})|{re.escape(SPLIT)}|{re.escape(FOLDS)}|{re.escape(CARD)}"
)
"""All that a bundle may hold."""

PUBLISHED = "gtzan"
"""Name of the bundle that ships with this package."""


@dataclass(frozen=True)
class Member:
    """One model of a bundle. `inputs` are what it looks at: spectrograms, descriptors, statistics (of spectrograms), and for a recurrent
    network the state it carries from segment to segment. `files` by their plain names: ONNX and WEIGHTS, or SKOPS."""

    model: str
    inputs: tuple[str, ...]
    files: dict[str, bytes]

    @property
    def file(self) -> str:
        return ONNX if ONNX in self.files else SKOPS

    @property
    def served(self) -> "ServedMember":
        return ServedMember(self.file, self.files[self.file], self.inputs)


class ServedMember(NamedTuple):
    """What computes logits: ONNX or SKOPS, its bytes and what it looks at."""

    file: str
    data: bytes
    inputs: tuple[str, ...]


class Served(NamedTuple):
    """All that a worker needs to score segments; small enough to travel, and hashable."""

    members: tuple[ServedMember, ...]
    join: Join | None
    front_end: FrontEnd

    @property
    def by_track(self) -> bool:
        """Whether the segments of a track must come together and in order."""
        return any("state" in member.inputs for member in self.members)


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

    def labels_like(self, other: Self) -> bool:
        """Whether both are of the same weights, front end, genres and calibration, and know the same of the tracks they were trained on."""
        alike = all(self.facts[name] == other.facts[name] for name in ("front_end", "taxonomy", "members", "join"))
        ours, theirs = asdict(self.calibration), asdict(other.calibration)
        near = all(math.isclose(ours[name], theirs[name], rel_tol=1e-4) for name in ours)
        # Not the ONNX files: an export of the same weights need not come out alike byte by byte, nor need Parquet of the same rows.
        written = (ONNX, CARD, SPLIT, FOLDS)
        same = [{name: data for name, data in each.files.items() if not name.endswith(written)} for each in (self, other)]
        tables = [(each.split, each.folds) for each in (self, other)]
        return alike and near and same[0] == same[1] and tables[0] == tables[1]

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
    def folds(self) -> pa.Table | None:
        """track_id, genre, artist, segment, fold, logits [list of n_genres]: by a model of the same making that had not heard the
        track's artist; None if the bundle was not cross-validated."""
        return pq.read_table(pa.BufferReader(self.files[FOLDS])) if FOLDS in self.files else None

    @property
    def members(self) -> list[Member]:
        found = []
        for n, each in enumerate(self.facts["members"]):
            mine = {name: self.files[_place(n, name)] for name in (ONNX, WEIGHTS, SKOPS) if _place(n, name) in self.files}
            found.append(Member(each["model"], tuple(each["inputs"]), mine))
        return found

    @property
    def join(self) -> Join | None:
        """How the members' answers become one; None for a lone member."""
        found = self.facts["join"]
        return Join.from_dict(found) if found else None

    @property
    def served(self) -> Served:
        return Served(tuple(member.served for member in self.members), self.join, self.front_end)

    @classmethod
    def assemble(
        cls,
        *,
        name: str,
        members: Sequence[Member],
        join: Join | None = None,
        front_end: FrontEnd,
        taxonomy: Taxonomy,
        calibration: Calibration,
        split: pa.Table,
        provenance: dict[str, Any],
        metrics: dict[str, Any],
        folds: pa.Table | None = None,
    ) -> Self:
        """A bundle from its parts; `join` where there is more than one member."""
        facts: dict[str, Any] = {
            "format": FORMAT,
            "model": name,
            "members": [{"model": member.model, "inputs": list(member.inputs)} for member in members],
            "join": join.to_dict() if join else None,
            "front_end": json.loads(front_end.to_json()),
            "taxonomy": list(taxonomy.genres),
            "calibration": asdict(calibration),
            "provenance": provenance,
            "metrics": metrics,
        }
        stored = {_place(n, name): data for n, member in enumerate(members) for name, data in member.files.items()}
        tables = {SPLIT: split} | ({} if folds is None else {FOLDS: folds})
        files = {**stored, **{name: _parquet(table) for name, table in tables.items()}}
        facts["bytes"] = sum(len(data) for data in files.values())
        files[CARD] = model_card(facts, split).encode()
        facts["files"] = {name: _sha256(data) for name, data in files.items()}
        return cls(json.dumps(facts, indent=2, sort_keys=True).encode(), files)

    def write(self, url: str) -> None:
        """Store it, over an older one if there is one. Raises StoreUnreachable."""
        url = storage.normal(url)
        storage.remove(storage.join(url, "BUNDLE_ID"))
        for name, data in (*self.files.items(), ("bundle.json", self.described), ("BUNDLE_ID", self.bundle_id.encode())):
            storage.write_bytes(storage.join(url, name), data)


def load(url: str) -> Bundle:
    """Read a bundle and check it; `gtzan` is the one that ships with this package.

    Raises UsageError if it is not whole or was changed, StoreUnreachable.
    """
    url = place(url)
    bundle_id, described = _read(url, "BUNDLE_ID").decode(errors="replace"), _read(url, "bundle.json")
    if Bundle(described, {}).bundle_id != bundle_id:
        raise UsageError(f"bundle {url} is refused: bundle.json was changed after it was written (its id is {bundle_id})")
    facts = Bundle(described, {}).facts
    if facts["format"] != FORMAT:
        raise UsageError(f"bundle {url} has format {facts['format']}; this version reads format {FORMAT}")
    if unknown := [name for name in facts["files"] if not FILES.fullmatch(name)]:
        raise UsageError(f"bundle {url} is refused: it names {min(unknown)!r}, which no bundle holds")
    files = {name: _read(url, name) for name in facts["files"]}
    for name, data in files.items():
        if _sha256(data) != facts["files"][name]:
            raise UsageError(f"bundle {url} is refused: {name} was changed after it was written")
    return Bundle(described, files)


def place(url: str) -> str:
    """Where a bundle lies. The one that ships lies elsewhere in each installation, so its name travels, not its path."""
    return str(package_files("genre_batch") / "published" / PUBLISHED) if url == PUBLISHED else storage.normal(url)


def travelling(url: str) -> str:
    """The URL as workers can read it."""
    return url if url == PUBLISHED else storage.normal(url)


def _place(n: int, name: str) -> str:
    return name if n == 0 else f"{n + 1}/{name}"


def _parquet(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    return bytes(buffer.getvalue().to_pybytes())


def _read(url: str, name: str) -> bytes:
    try:
        return storage.read_needed(storage.join(url, name))
    except Missing as error:
        raise UsageError(f"{url} is no whole bundle: {error}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
