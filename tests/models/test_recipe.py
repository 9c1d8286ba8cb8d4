"""A recipe comes back from JSON and TOML as it was; its learning rate in exact numbers; what is misspelt is named."""

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.choices import Augmentation, Schedule, WaveformPart
from genre_batch.errors import UsageError
from genre_batch.models import recipe
from genre_batch.models.recipe import Recipe, Strength

POSITIVE = st.floats(1e-6, 100)
STRENGTHS = st.builds(
    Strength,
    crop_share=st.floats(0.01, 1),
    stretch=st.floats(0, 0.5),
    gain_db=POSITIVE,
    equaliser_points=st.integers(1, 20),
    masks=st.integers(0, 3),
    mixup_alpha=POSITIVE,
)
RECIPES = st.builds(
    Recipe,
    epochs=st.integers(1, 100),
    batch_size=st.integers(2, 512),
    learning_rate=POSITIVE,
    weight_decay=st.floats(0, 1),
    schedule=st.sampled_from(Schedule),
    warm_up=st.floats(0.01, 0.99),
    label_smoothing=st.floats(0, 0.9),
    averaging=st.floats(0, 0.999),
    patience=st.integers(1, 50),
    augment=st.lists(st.sampled_from(Augmentation), unique=True).map(tuple),
    waveform=st.lists(st.sampled_from(WaveformPart), unique=True).map(tuple),
    strength=STRENGTHS,
)


@settings(max_examples=60, deadline=None)
@given(RECIPES)
def test_it_comes_back_from_json_as_it_was(made: Recipe):
    found = Recipe.from_dict(json.loads(json.dumps(made.to_dict())))
    assert found == made
    assert all(type(getattr(found, each.name)) is type(getattr(made, each.name)) for each in fields(Recipe))
    assert all(isinstance(part, Augmentation) for part in found.augment)


OTHER = Recipe(
    epochs=99, batch_size=99, learning_rate=0.9, weight_decay=0.9, schedule=Schedule.COSINE, warm_up=0.9, label_smoothing=0.9,
    averaging=0.9, patience=99, augment=(Augmentation.SHIFT,), waveform=(WaveformPart.NOISE,), strength=Strength(masks=9),
)  # fmt: skip


@pytest.mark.parametrize("name", [each.name for each in fields(Recipe)])
def test_each_value_is_told(name: str):
    """Or a run could be taken for another."""
    plain = Recipe()
    changed = replace(plain, **{name: getattr(OTHER, name)})
    assert {key for key, value in changed.to_dict().items() if value != plain.to_dict()[key]} == {name}
    assert Recipe.from_dict(changed.to_dict()) == changed != plain


@settings(max_examples=60, deadline=None)
@given(RECIPES, st.floats(0, 1))
def test_the_rate_stays_between_nothing_and_the_highest(made: Recipe, progress: float):
    assert 0 <= made.rate(progress) <= made.learning_rate * (1 + 1e-9)


def test_one_cycle_in_exact_numbers():
    cycle = Recipe(learning_rate=0.1, schedule=Schedule.ONE_CYCLE, warm_up=0.2)
    expected = {0.0: 0.004, 0.1: 0.052, 0.2: 0.1, 0.4: 0.05 * (1 + math.cos(math.pi / 4)), 0.6: 0.05, 1.0: 0.0}
    for progress, rate in expected.items():
        assert cycle.rate(progress) == pytest.approx(rate, abs=1e-15), progress


def test_cosine_and_constant_in_exact_numbers():
    cosine = Recipe(learning_rate=0.2, schedule=Schedule.COSINE, warm_up=0.5)
    assert [cosine.rate(x) for x in (0.0, 1 / 3, 0.5, 1.0)] == pytest.approx([0.2, 0.15, 0.1, 0.0], abs=1e-15)
    constant = Recipe(learning_rate=0.2, schedule=Schedule.CONSTANT)
    assert {constant.rate(x) for x in (0.0, 0.1, 1.0)} == {0.2}


FROM_0 = ("shift_bands", "gain_db", "equaliser_db", "mask_bands", "mask_columns", "masks")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "Recipe has no parameter 'epoch': did you mean 'epochs'\\?"),
        ({"lr": 3}, "Recipe has no parameter 'lr': did you mean"),
        ({"strength": {"gain": 3.0}}, "Strength has no parameter 'gain': did you mean 'gain_db'\\?"),
        ({"augment": ["crop", "gian"]}, "there is no augment 'gian': did you mean 'gain'\\?"),
        ({"waveform": ["codecs"]}, "there is no waveform 'codecs': did you mean 'codec'\\?"),
        ({"schedule": "onecycle"}, "there is no schedule 'onecycle': did you mean 'one-cycle'\\?"),
        ({"augment": 3}, "^augment is 3: it must be a list, such as \\['crop'\\]$"),
        ({"augment": "crop"}, "^augment is 'crop': it must be a list"),
        ({"waveform": "gain"}, "^waveform is 'gain': it must be a list, such as \\['gain'\\]$"),
        ({"schedule": 3}, "there is no schedule 3"),
        ({"strength": 3}, "^strength is 3: it must be Strength$"),
        ({"epochs": "3"}, "^epochs is '3': it must be int$"),
        ({"epochs": 9.5}, "^epochs is 9.5: it must be int$"),
        ({"epochs": True}, "^epochs is True: it must be int$"),
        ({"batch_size": 2.5}, "^batch_size is 2.5: it must be int$"),
        ({"patience": math.nan}, "^patience is nan: it must be int$"),
        ({"weight_decay": "0.1"}, "^weight_decay is '0.1': it must be float$"),
        ({"weight_decay": math.nan}, "^weight_decay is nan: it must be finite$"),
        ({"learning_rate": math.inf}, "^learning_rate is inf: it must be finite$"),
        ({"strength": {"crop_share": "all"}}, "^crop_share is 'all': it must be float$"),
        ({"strength": {"masks": 1.5}}, "^masks is 1.5: it must be int$"),
        ({"strength": {"gain_db": math.nan}}, "^gain_db is nan: it must be finite$"),
        ({"strength": {"mixup_alpha": math.nan}}, "^mixup_alpha is nan: it must be finite$"),
        ({"strength": {"mask_bands": "x"}}, "^mask_bands is 'x': it must be float$"),
        ({"epochs": 0}, "^epochs is 0: it must be at least 1$"),
        ({"batch_size": 1}, "^batch_size is 1: it must be at least 2$"),
        ({"learning_rate": 0.0}, "^learning_rate is 0.0: it must be above 0$"),
        ({"weight_decay": -1}, "^weight_decay is -1.0: it must be at least 0$"),
        ({"patience": 0}, "^patience is 0: it must be at least 1$"),
        ({"averaging": 1.0}, "^averaging is 1.0: it must be at least 0 and below 1$"),
        ({"label_smoothing": -0.1}, "^label_smoothing is -0.1: it must be at least 0 and below 1$"),
        ({"warm_up": 0.0}, "^warm_up is 0.0: it must be above 0 and below 1$"),
        ({"strength": {"crop_share": 0.0}}, "^crop_share is 0.0: it must be above 0 and at most 1$"),
        ({"strength": {"crop_share": 1.1}}, "^crop_share is 1.1: it must be above 0 and at most 1$"),
        ({"strength": {"mixup_alpha": 0.0}}, "^mixup_alpha is 0.0: it must be above 0$"),
        ({"strength": {"equaliser_points": 0}}, "^equaliser_points is 0: it must be at least 1$"),
        ({"strength": {"stretch": 1.0}}, "^stretch is 1.0: it must be at least 0 and below 1$"),
        *(({"strength": {name: -1}}, f"^{name} is -1") for name in FROM_0),
    ],
)
def test_what_is_not_right_is_named(values: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        Recipe.from_dict(values)


BASE = Recipe(epochs=7, averaging=0.5, augment=(Augmentation.GAIN,), strength=Strength(masks=3, gain_db=1.5))


def test_toml_says_what_differs():
    text = 'epochs = 9\naugment = ["crop", "mixup"]\nschedule = "cosine"\n[strength]\ngain_db = 4.0\n'
    found = recipe.read(text, "a.toml", BASE)
    assert found == Recipe(
        epochs=9,
        averaging=0.5,
        augment=(Augmentation.CROP, Augmentation.MIXUP),
        schedule=Schedule.COSINE,
        strength=Strength(masks=3, gain_db=4.0),
    )
    assert recipe.read("", "a.toml", BASE) == BASE
    assert recipe.read("augment = []", "a.toml", BASE).augment == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", r"a\.toml is no TOML"),
        ("strength = 3", r"a\.toml: strength is a table, \[strength\]"),
        ("epoch = 3", r"a\.toml: Recipe has no parameter 'epoch': did you mean 'epochs'\?"),
        ("[strength]\nmask = 3", r"a\.toml: Strength has no parameter 'mask': did you mean 'masks'\?"),
        ("epochs = 0", r"a\.toml: epochs is 0: it must be at least 1"),
    ],
)
def test_toml_that_is_not_right_is_named(text: str, message: str):
    with pytest.raises(UsageError, match=message):
        recipe.read(text, "a.toml", BASE)
