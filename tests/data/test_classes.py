"""Labels of classes and their codes."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from probnn.data.classes import Classes


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a", "c", "b"],
        np.array(["b", "a", "c", "b"]),
        pd.Series(["b", "a", "c", "b"], index=[9, 8, 7, 6]),
        pd.Series(pd.Categorical(["b", "a", "c", "b"], categories=["c", "b", "a"])),
        pd.Series(["b", "a", "c", "b"], dtype="string"),
        pl.Series(["b", "a", "c", "b"]),
        pl.Series(["b", "a", "c", "b"], dtype=pl.Categorical),
    ],
    ids=["list", "array", "series", "categorical", "string", "polars", "polars categorical"],
)
def test_labels_of_any_container_become_codes_by_value(y):
    assert Classes(["a", "b", "c"]).encode(y).tolist() == [1.0, 0.0, 2.0, 1.0]


def test_numbers_are_labels_too_and_come_back():
    classes = Classes([1, 2, 3, 4, 5], ordered=True)
    for y in ([5, 1, 3], np.array([5.0, 1.0, 3.0]), pd.Series([5, 1, 3], dtype="Int64")):
        codes = classes.encode(y)
        assert codes.tolist() == [4.0, 0.0, 2.0]
        assert classes.decode(codes).tolist() == [5, 1, 3]
    assert not classes.are_codes
    assert Classes([0, 1, 2]).are_codes


def test_other_values_are_labels_as_they_are():
    cut = pd.cut(pd.Series([1.0, 5.0, 9.0]), [0, 3, 6, 10])
    classes, codes = Classes.learn(cut, ordered=True)
    assert codes.tolist() == [0.0, 1.0, 2.0]
    assert classes.encode(cut[::-1]).tolist() == [2.0, 1.0, 0.0]
    mixed = Classes(["1", 1])  # NumPy would make text of both
    assert mixed.encode(np.array([1, "1"], dtype=object)).tolist() == [1.0, 0.0]
    copied = pickle.loads(pickle.dumps(classes))
    assert copied == classes
    assert copied != Classes(classes.labels)


def test_classes_of_a_column_are_in_the_order_of_its_categories():
    sizes = pd.Categorical(["M", "S", None, "L"], categories=["S", "M", "L"], ordered=True)
    classes, codes = Classes.learn(pd.Series(sizes), ordered=True)
    np.testing.assert_array_equal(codes, [1.0, 0.0, np.nan, 2.0])
    assert [*classes] == ["S", "M", "L"]
    assert classes.ordered
    assert Classes.learn(pd.Series(sizes))[0].ordered  # it says so itself
    classes, codes = Classes.learn(pd.Series([3.0, np.nan, 1.0]))
    assert [*classes] == [1, 3]
    assert not classes.ordered


@pytest.mark.parametrize("y", [["a", "d"], ["a", None], ["a", np.nan], [0, 1], np.array("d")])
def test_what_is_no_class_is_refused_with_the_classes(y):
    with pytest.raises(ValueError, match=r"one of the classes 'a', 'b', 'c'[.] Received: "):
        Classes(["a", "b", "c"]).encode(y)


def test_refusals():
    with pytest.raises(ValueError, match=r"Received: 'd' in row 1, and 2 such"):
        Classes(["a", "b"]).encode(["a", "d", "e"])
    with pytest.raises(ValueError, match=r"0, 1, .* [(]40 in all[)][.] Received: 40"):
        Classes(range(40)).encode([40])
    for labels in (["a", "a"], [1, 1.0], ["a", None], [np.nan, 1.0], []):
        with pytest.raises(ValueError, match="all different, none missing"):
            Classes(labels)
    with pytest.raises(ValueError, match="ordered categorical"):
        Classes.learn(pd.Series(["a", "b"], name="g"), ordered=True)
