"""Dataclasses that people write as tables of TOML: names and kinds that do not fit are refused by name."""

import math
from dataclasses import fields
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from genre_batch.errors import UsageError


def check(values: Any) -> None:
    """Numbers that should be fractions become so (5 and 5.0 are one front end); raises UsageError for any other wrong kind, and for a
    fraction that is not finite.

    values: an instance of a dataclass, which may be frozen.
    """
    for name, hint in get_type_hints(type(values)).items():
        value = getattr(values, name)
        if get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise UsageError(f"{name} is {value!r}: it must be one of {', '.join(get_args(hint))}")
            continue
        kinds = tuple(get_origin(kind) or kind for kind in (get_args(hint) if get_origin(hint) is UnionType else (hint,)))
        if float in kinds and type(value) is int:
            object.__setattr__(values, name, float(value))
        elif not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise UsageError(f"{name} is {value!r}: it must be {' or '.join(kind.__name__ for kind in kinds)}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{name} is {value}: it must be finite")


def known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values as they are. Raises UsageError for a name that the dataclass `kind` does not have, naming the nearest that it has."""
    names = [each.name for each in fields(kind)]
    for key in values:
        if key not in names:
            near = get_close_matches(key, names, n=1, cutoff=0)[0]
            raise UsageError(f"{kind.__name__} has no parameter {key!r}: did you mean {near!r}?")
    return values
