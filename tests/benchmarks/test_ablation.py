"""The ablation's rows: one thing changed each, differences between equal seeds."""

import argparse
import dataclasses

import numpy as np
import pytest

from benchmarks import ablation
from genre_batch.choices import Augmentation
from genre_batch.models import recipes


def test_a_row_changes_one_thing():
    found = {each.name: each for each in ablation.settings(None)}
    base = found["compact"]
    assert found.pop("as chosen").recipe == recipes.of("compact")
    assert base.recipe != recipes.of("compact")
    assert [name for name, each in found.items() if each.network != "compact"] == ["compact-fusion", "crnn", "crnn-fusion"]
    for part in Augmentation:
        there = part in base.recipe.augment
        row = found[f"{'without' if there else 'with'} {part}"]
        assert set(row.recipe.augment) ^ set(base.recipe.augment) == {part}
        assert dataclasses.replace(row.recipe, augment=base.recipe.augment) == base.recipe
    for name, each in found.items():
        if each.network == "compact" and name != "compact":
            pairs = zip(each.recipe.to_dict().items(), base.recipe.to_dict().items(), strict=True)
            assert sum(mine != own for mine, own in pairs) == 1, name


def test_epochs_are_everybodys():
    assert {each.recipe.epochs for each in ablation.settings(1)} == {1}


def test_differences_are_of_equal_seeds():
    found = ablation.row("with shift", [0.70, 0.64, 0.70], [0.69, 0.63, 0.66])
    assert found["track_accuracy"] == pytest.approx(0.68)
    assert found["deviation"] == pytest.approx(np.sqrt(0.0012))
    assert found["difference"] == pytest.approx(0.02)
    assert found["difference_deviation"] == pytest.approx(np.sqrt(0.0003))
    assert ablation.row("one", [0.7], [0.6])["difference_deviation"] == 0


def test_the_table_says_what_was_left_out():
    rows = [ablation.row("compact", [0.5, 0.7], [0.5, 0.7]), ablation.row("crnn", [0.7, 0.9], [0.5, 0.7])]
    asked = argparse.Namespace(held_out=2, seeds=2, epochs=3)
    text = ablation.as_markdown(rows, asked, n_tracks=639)
    assert "| compact | 0.600 ± 0.141 |  |\n| crnn | 0.800 ± 0.141 | +0.200 ± 0.000 |" in text
    assert "only 2 of five folds of 639 tracks" in text
    assert "3 epochs instead" in text
    assert ablation.as_csv(rows).splitlines()[2].startswith("crnn,0.8,")
