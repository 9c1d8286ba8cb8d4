"""Segments from recordings that are altered anew each time: augmentation where there is audio. Imports no torch, for tasks that read."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from genre_batch.choices import WaveformPart
from genre_batch.cluster import segments
from genre_batch.errors import Missing, TrackError, UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.signal import alter
from genre_batch.signal.extract import extract
from genre_batch.tables import storage


def altered(rows: pa.Table, front_end: FrontEnd, parts: Collection[WaveformPart], rng: np.random.Generator) -> pa.Table:
    """The same segments from altered recordings: each track's is read again from its `uri`, changed anew, and drawn.

    A recording that its alteration makes unusable, and a segment that it pushes past the end, stay as they were. Raises UsageError where
    there is no recording, StoreUnreachable.
    """
    done = []
    for _, start, end in segments.runs(rows["track_id"]):
        track = rows.slice(start, end - start)
        uri = track["uri"][0].as_py()
        try:
            features = extract(alter.augment(storage.read_bytes(uri), parts, rng), front_end)
        except Missing as error:
            raise UsageError(f"augmentation of waveforms needs the recordings themselves: {error}") from error
        except TrackError:
            done.append(track)
            continue
        places = {int(position): i for i, position in enumerate(features.positions)}
        found = [places.get(segment) for segment in track["segment"].to_pylist()]
        for name, values in (("spectrogram", features.spectrograms), ("descriptors", features.descriptors)):
            if name in track.column_names and values is not None:
                kept = track[name].to_pylist()
                drawn = [
                    kept[k] if i is None else (values[i].tobytes() if name == "spectrogram" else values[i].tolist())
                    for k, i in enumerate(found)
                ]
                place = track.schema.get_field_index(name)
                track = track.set_column(place, track.schema.field(name), pa.array(drawn, track.schema.field(name).type))
        done.append(track)
    return pa.concat_tables(done)
