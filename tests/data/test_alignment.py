"""Rows go by their labels; what has none goes by position."""

import numpy as np
import pandas as pd
import pytest

from probnn.data.alignment import LabelsError, RowIndex, align_all, aligned

LABELS = {
    "numbers": pd.RangeIndex(5),
    "text": pd.Index(list("vwxyz")),
    "dates": pd.date_range("2020-01-01", periods=5),
    "pairs": pd.MultiIndex.from_product([["a"], range(5)]),
    "intervals": pd.interval_range(0, 5),
    "categories": pd.CategoricalIndex(list("edcba")),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_in_another_order_are_those_that_pandas_finds(labels):
    turned = pd.Series(np.arange(5.0), labels).iloc[[3, 1, 4, 0, 2]]
    found, like = aligned(turned, labels, "offset"), {"check_freq": False}
    pd.testing.assert_series_equal(found, turned.reindex(labels), **like)
    table = pd.DataFrame({"a": turned, "b": -turned})
    pd.testing.assert_frame_equal(aligned(table, labels, "X"), table.reindex(labels), **like)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_in_the_same_order_cost_nothing(labels):
    values = pd.Series(np.arange(5.0), labels.copy())
    assert aligned(values, labels, "offset") is values
    twice = labels[[0, 0, 1, 2, 3]]
    values = pd.Series(np.arange(5.0), twice.copy())
    assert aligned(values, twice, "offset") is values


def test_other_labels_raise():
    labels = pd.Index([3, 5, 8])
    for others, message in (
        ([3, 5, 9], "other labels, without 8"),
        (["3", "5", "8"], "other labels, without 3"),
        ([8, 5, 5], "5 more than once"),
        ([3, 5, 8, 9], "4 rows, not 3"),
        (pd.MultiIndex.from_tuples([(3, 3), (5, 5), (8, 8)]), "without 3"),
    ):
        with pytest.raises(LabelsError, match=message) as error:
            aligned(pd.Series(range(len(others)), others), labels, "offset", "X")
        assert "offset with the labels of the rows of X" in str(error.value)
        assert "to_numpy()" in str(error.value)
    with pytest.raises(LabelsError, match="3 more than once"):
        aligned(pd.Series([1, 2, 3], [3, 5, 3]), pd.Index([3, 3, 5]), "offset")


def test_what_has_no_labels_goes_by_position():
    pl = pytest.importorskip("polars")
    labels = pd.Index([3, 5, 8])
    for values in ([1, 2, 3], np.arange(3), pl.Series([1, 2, 3]), None, 4.0):
        assert aligned(values, labels, "offset") is values
    series = pd.Series([1, 2, 3], [9, 9, 1])
    assert aligned(series, None, "offset") is series


def test_rows_that_were_left_out():
    rows = RowIndex("data", 4, pd.Index(list("abcd")), np.array([0, 1, 3]))
    assert (len(rows), rows.left_out, rows.index.tolist()) == (3, 1, ["a", "b", "d"])
    assert rows.note == "1 row with missing values left out"
    for values in (
        pd.Series([1, 2, 4], list("abd")),
        pd.Series([4, 1, 2], list("dab")),
        pd.Series([1, 2, 3, 4], list("abcd")),
        pd.Series([3, 4, 1, 2], list("cdab")),
        [1, 2, 3, 4],
        np.array([1, 2, 4]),
    ):
        assert np.asarray(rows.align(values, "groups")).tolist() == [1, 2, 4]
    with pytest.raises(LabelsError, match="without 'd'"):
        rows.align(pd.Series([1, 2, 3], list("abc")), "groups")


def test_nests_go_by_the_first_labels():
    x = {"a": np.arange(3.0), "b": pd.Series([1.0, 2.0, 3.0], list("uvw"))}
    y = [pd.Series([3, 1, 2], list("wuv")), [1, 2, 3]]
    found_x, found_y, weights = align_all(x, y, pd.Series([2, 1, 3], list("vuw")))
    assert found_x["b"] is x["b"]
    assert found_y[0].tolist() == weights.tolist() == [1, 2, 3]
    with pytest.raises(LabelsError, match="validation y with the labels of the rows of valid"):
        align_all(x, pd.Series([1, 2, 3]), None, "validation ")
    plain = [[1.0, 2.0], [3.0, 4.0]], [0, 1], None
    assert align_all(*plain) == plain
