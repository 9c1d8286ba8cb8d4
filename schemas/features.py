"""GTZAN's feature tables as they are published: a file name, 57 finite numbers and a genre a row.

The names of `schemas.descriptors`, in any order; `length` (in samples at 22,050 Hz) may be there or not.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.contract import ContractError
from schemas.descriptors import NAMES

NAME = "features"
SAMPLE_RATE_HZ = 22_050
FILENAME = re.compile(r"(?P<track>[a-z]+\.\d{5})(\.(?P<segment>\d{1,4}))?(\.(wav|au|mp3|flac))?")
"""blues.00000.wav is a whole track, blues.00000.2.wav its third segment."""
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
FIRST_LINE = 2
"""Of a file, under its header."""


def validate(table: pa.Table) -> None:
    """Raises ContractError that names the line of the file and the column of the first thing that is wrong.

    table: all columns as text, as they stand in the file.
    """
    _check_columns(table.column_names)
    names = table["filename"].to_pylist()
    if not names:
        raise ContractError(f"table {NAME}: no rows")
    seen: dict[tuple[str, int], int] = {}
    genres: dict[str, str] = {}
    for line, (name, genre) in enumerate(zip(names, table["label"].to_pylist(), strict=True), FIRST_LINE):
        if not (found := FILENAME.fullmatch(name or "")):
            raise _broken(line, "filename", f"{name!r} is no genre.NNNNN.wav or genre.NNNNN.SEGMENT.wav")
        if genre not in GENRES:
            raise _broken(line, "label", f"{genre!r} is none of {', '.join(GENRES)}")
        key = found["track"], int(found["segment"] or 0)
        if key in seen:
            raise _broken(line, "filename", f"{name} stands in line {seen[key]} already")
        if genres.setdefault(found["track"], genre) != genre:
            raise _broken(line, "label", f"{genre!r}, but another row of {found['track']} says {genres[found['track']]!r}")
        seen[key] = line
    for column in (*NAMES, *(["length"] if "length" in table.column_names else [])):
        numbers(column, table[column].to_pylist())


def numbers(column: str, texts: Iterable[str | None]) -> npt.NDArray[np.float64]:
    """[shape=(n,)]. Raises ContractError for what is no finite number."""
    found = []
    for line, text in enumerate(texts, FIRST_LINE):
        try:
            number = float(text or "")
        except ValueError:
            raise _broken(line, column, f"{text!r} is no number" if text else "is empty") from None
        if not np.isfinite(number):
            raise _broken(line, column, f"{text} is not finite")
        found.append(number)
    return np.array(found)


def _check_columns(got: list[str]) -> None:
    wanted = {"filename", "label", *NAMES}
    missing, extra = sorted(wanted - {*got}), sorted({*got} - wanted - {"length"})
    if missing or extra:
        said = [f"{what} {', '.join(names)}" for what, names in (("no column", missing), ("not expected:", extra)) if names]
        raise ContractError(f"table {NAME}: {'; '.join(said)}")


def _broken(line: int, column: str, what: str) -> ContractError:
    return ContractError(f"table {NAME}: line {line}, column {column}: {what}")
