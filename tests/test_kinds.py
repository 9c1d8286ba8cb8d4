"""What somebody wrote into a table is refused by name where it does not fit."""

import math
from dataclasses import dataclass

import pytest

from genre_batch import kinds
from genre_batch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    share: float = 0.5
    most: float | None = None
    count: int = 1
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds.check(self)


def test_a_number_without_a_fraction_is_one():
    assert [type(value) for value in (Table(share=2).share, Table(most=3).most, Table(count=2).count)] == [float, float, int]
    assert Table(most=None, names=("a",)) == Table(names=("a",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 1.5}, "^count is 1.5: it must be int$"),
        ({"count": True}, "^count is True: it must be int$"),
        ({"count": math.nan}, "^count is nan: it must be int$"),
        ({"share": "0.1"}, "^share is '0.1': it must be float$"),
        ({"share": True}, "^share is True: it must be float$"),
        ({"share": math.nan}, "^share is nan: it must be finite$"),
        ({"most": -math.inf}, "^most is -inf: it must be finite$"),
        ({"most": "x"}, "^most is 'x': it must be float or NoneType$"),
        ({"names": "abc"}, "^names is 'abc': it must be tuple$"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        Table(**values)


def test_a_misspelt_name_is_told_the_nearest():
    values = {"share": 0.1}
    assert kinds.known(Table, values) is values
    with pytest.raises(UsageError, match=r"^Table has no parameter 'cuont': did you mean 'count'\?$"):
        kinds.known(Table, {"cuont": 1})
