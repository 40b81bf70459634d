import pickle

import pytest

from pellucid import errors
from pellucid.errors import DataError, PellucidError, SettingError, ShapeError, StoreError, unknown


def test_the_tree_on_top_of_the_file_is_the_tree():
    drawn = {line.split()[1] for line in errors.__doc__.splitlines() if line.startswith(("├", "└"))}
    assert drawn == {kind.__name__ for kind in PellucidError.__subclasses__()}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(ShapeError, ValueError), (DataError, ValueError), (SettingError, ValueError), (StoreError, OSError)],
)
def test_every_error_is_pellucids_and_pythons(kind, builtin):
    assert issubclass(kind, PellucidError)
    assert issubclass(kind, builtin)


def test_a_shape_error_says_where_wanted_got_and_what_to_do():
    error = ShapeError("Dense", "x (batch, 9)", "(5, 4)")
    assert str(error) == "Dense expects x (batch, 9), got (5, 4)."
    inside = error.inside("layers[2]", "the layer before gives 4 features")
    assert str(inside) == "layers[2].Dense expects x (batch, 9), got (5, 4): the layer before gives 4 features."


def test_the_path_grows_outward_and_the_innermost_hint_stays():
    error = ShapeError("Dense", "a", "b").inside("layer").inside("layers[1]", "near").inside("layers[0]", "far")
    assert str(error) == "layers[0].layers[1].layer.Dense expects a, got b: near."


def test_a_shape_error_survives_the_way_between_processes():
    error = ShapeError("Dense", "x (batch, 9)", "(5, 4)", "a hint", "layers[2]")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_unknown_name_is_met_with_the_nearest_and_with_all():
    assert str(unknown("optimizer", "adamm", ["sgd", "adam"])) == (
        "There is no optimizer 'adamm': did you mean 'adam'? Known: adam, sgd."
    )
    assert str(unknown("optimizer", "xyz", ["sgd"])) == "There is no optimizer 'xyz': Known: sgd."
    assert str(unknown("parameter", "w", [])) == "There is no parameter 'w': Known: none."
