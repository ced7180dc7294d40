"""The negative log-likelihood as a Keras loss: shapes, weights, supports, and what it equals."""

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from tables.families import WIRED, each

import probnn as pn
from probnn import backend

pytestmark = pytest.mark.backend

each_family = each(WIRED)


def numpy(values):
    return keras.ops.convert_to_numpy(values)


def test_bernoulli_equals_binary_crossentropy(rng):
    logits = rng.normal(scale=3.0, size=(50, 1))
    y = rng.integers(0, 2, size=(50, 1)).astype("float64")
    ours = pn.NegativeLogLikelihood("bernoulli", dtype="float64")
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, dtype="float64")
    with backend.float64():
        value, gradient = backend.value_and_grad(lambda raw: ours(y, raw))(logits)
        expected, slope = backend.value_and_grad(lambda raw: theirs(y, raw))(logits)
        np.testing.assert_allclose(numpy(value), numpy(expected), rtol=1e-6)
        np.testing.assert_allclose(numpy(gradient), numpy(slope), rtol=1e-6)


def test_categorical_equals_sparse_categorical_crossentropy(rng):
    logits = rng.normal(scale=3.0, size=(50, 3)).astype("float32")
    y = rng.integers(0, 4, size=50)
    ours = pn.NegativeLogLikelihood(pn.families.Categorical(4))(y, logits)
    full = np.concatenate([np.zeros((50, 1), "float32"), logits], axis=1)
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, full)
    np.testing.assert_allclose(numpy(ours), numpy(theirs), rtol=1e-6)


@pytest.mark.parametrize("is_soft", [False, True])
def test_soft_and_smoothed_labels_are_those_of_keras(is_soft, rng):
    logits = rng.normal(scale=3.0, size=(50, 3)).astype("float32")
    code, probs = rng.integers(0, 4, size=50), rng.dirichlet(np.ones(4), size=50)
    full = np.concatenate([np.zeros((50, 1), "float32"), logits], axis=1)
    for part in (0.0, 0.2):
        ours = pn.NegativeLogLikelihood("categorical", classes=4, label_smoothing=part)
        theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=part)
        want = theirs(probs if is_soft else np.eye(4)[code], full)
        found = ours(probs if is_soft else code, logits)
        np.testing.assert_allclose(numpy(found), numpy(want), rtol=1e-6)


def test_smoothed_labels_of_ordered_classes(rng):
    loc, y = rng.normal(size=20), rng.integers(0, 3, size=20)
    cutpoints = np.array([-0.5, 1.0])
    raw = np.column_stack([loc, np.full(20, -0.5), np.full(20, np.log(1.5))])
    below = np.column_stack(
        [np.zeros(20), stats.logistic.cdf(cutpoints - loc[:, None]), np.ones(20)]
    )
    spread = 0.9 * np.eye(3)[y] + 0.1 / 3
    want = -np.sum(spread * np.log(np.diff(below, axis=1)), axis=1)
    loss = pn.NegativeLogLikelihood("ordinal", label_smoothing=0.1, reduction=None)
    np.testing.assert_allclose(numpy(loss(y, raw.astype("float32"))), want, rtol=1e-5)
    loss = pn.NegativeLogLikelihood("ordinal", reduction=None)
    np.testing.assert_allclose(numpy(loss(spread, raw.astype("float32"))), want, rtol=1e-5)


def test_beta_weights_rows_by_a_power_of_their_scale_that_has_no_gradient(rng):
    y, loc, log_scale = rng.normal(size=(3, 40))
    weight, z = np.exp(2 * 0.3 * log_scale), (y - loc) / np.exp(log_scale)
    loss = pn.NegativeLogLikelihood("normal", beta=0.3, dtype="float64", reduction=None)
    again = pn.NegativeLogLikelihood.from_config(loss.get_config())
    with backend.float64():
        raw = np.column_stack([loc, log_scale])
        value, gradient = backend.value_and_grad(lambda raw: keras.ops.sum(again(y, raw)))(raw)
        want = np.sum(-weight * stats.norm(loc, np.exp(log_scale)).logpdf(y))
        np.testing.assert_allclose(numpy(value), want, rtol=1e-12)
        slopes = np.column_stack([-z / np.exp(log_scale), 1.0 - z**2]) * weight[:, None]
        np.testing.assert_allclose(numpy(gradient), slopes, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("family", "option", "said"),
    [
        ("poisson", {"beta": 0.5}, "a family of a location and a scale, for beta=0.5"),
        ("normal", {"label_smoothing": 0.1}, "a family of classes, for label_smoothing=0.1"),
        ("normal", {"beta": 1.5}, "beta from 0 to 1. Received: 1.5"),
    ],
)
def test_options_that_are_not_of_the_family_are_refused(family, option, said):
    with pytest.raises(ValueError, match=f"Expected {said}"):
        pn.NegativeLogLikelihood(family, **option)


def test_normal_with_fixed_scale_has_the_minimiser_of_squared_error(rng):
    x = rng.normal(size=(40, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=40)
    beta = np.linalg.lstsq(x, y, rcond=None)[0]  # minimises the mean squared error
    loss = pn.NegativeLogLikelihood("normal", dtype="float64", reduction=None)
    for scale in (0.1, 1.0, 3.0):
        with backend.float64():
            features = keras.ops.convert_to_tensor(x)
            column = keras.ops.full((40, 1), np.log(scale), dtype="float64")

            def nll(beta, column=column, features=features):
                raw = keras.ops.concatenate([features @ beta[:, None], column], axis=1)
                return keras.ops.sum(loss(y, raw))

            value, gradient = backend.value_and_grad(nll)(beta)
            np.testing.assert_allclose(numpy(gradient), np.zeros(3), atol=1e-11 / scale**2)
            # -log p = (squared error) / (2 scale^2) + log(scale) + log(2 pi) / 2
            expected = np.sum((y - x @ beta) ** 2) / (2 * scale**2)
            expected += 40 * (np.log(scale) + 0.5 * np.log(2 * np.pi))
            np.testing.assert_allclose(numpy(value), expected, rtol=1e-12)


@each_family
def test_y_of_any_allowed_kind_gives_the_same_number(case, rng):
    params, y = case.grid()
    raw = case.family.to_raw(params).astype("float32")
    loss = pn.NegativeLogLikelihood(case.family)
    expected = numpy(loss(y, raw))
    column = y[:, None]
    kinds = [column, pd.Series(y), pd.DataFrame({"y": y}), pl.Series(y).to_numpy()]
    for kind in kinds:
        np.testing.assert_array_equal(numpy(loss(kind, raw)), expected)


@pytest.mark.parametrize(
    ("y_shape", "raw_shape"),
    [
        ((1,), (4, 2)),
        ((), (4, 2)),
        ((8,), (4, 2)),
        ((4, 2), (4, 2)),
        ((4, 4), (4, 2)),
        ((1, 4), (4, 2)),
        ((4, 1, 1), (4, 2)),
        ((4,), (4, 3, 2)),
        ((4, 1), (4, 4)),
        ((4, 3), (4, 4)),
    ],
)
def test_shapes_that_would_broadcast_raise_and_name_both(y_shape, raw_shape):
    loss = pn.NegativeLogLikelihood("normal")
    with pytest.raises(ValueError, match="raw output of shape") as raised:
        loss(np.zeros(y_shape), np.zeros(raw_shape, "float32"))
    for shape in (y_shape, raw_shape):
        assert str(shape) in str(raised.value)


@pytest.mark.parametrize("raw_shape", [(4, 1), (4, 3), (4,)])
def test_raw_output_of_another_width_raises(raw_shape):
    with pytest.raises(ValueError, match=r"\(\.\.\., 2\).*normal family.*Received"):
        pn.NegativeLogLikelihood("normal")(np.zeros(4), np.zeros(raw_shape, "float32"))


def test_the_slope_of_a_line_is_found_whatever_the_shape_of_y(rng):
    # With out[:, 0] against y (n, 1), arithmetic broadcasts to (n, n) and the slope goes to 0.
    x = rng.normal(size=(200, 1)).astype("float32")
    y = 2.0 * x + 0.1 * rng.normal(size=(200, 1))
    for shape in ((200,), (200, 1)):
        model = keras.Sequential([keras.Input((1,)), pn.Head("normal", constant=["scale"])])
        model.compile(keras.optimizers.Adam(0.05), pn.NegativeLogLikelihood("normal"))
        model.fit(x, y.reshape(shape), epochs=60, batch_size=50, verbose=0)
        slope = numpy(model.layers[-1].coefficients()[0])[0, 0]
        np.testing.assert_allclose(slope, 2.0, atol=0.05)


def test_reductions_and_sample_weight_are_those_of_keras(rng):
    y, raw = rng.poisson(3.0, size=10), rng.normal(size=(10, 1)).astype("float32")
    weight = rng.uniform(size=10)
    rows = -stats.poisson.logpmf(y, np.exp(raw[:, 0].astype("float64")))
    cases = {"sum": (weight * rows).sum(), "sum_over_batch_size": (weight * rows).mean()}
    cases["mean_with_sample_weight"] = np.average(rows, weights=weight)
    for reduction, expected in cases.items():
        loss = pn.NegativeLogLikelihood("poisson", reduction=reduction)
        np.testing.assert_allclose(numpy(loss(y, raw, weight)), expected, rtol=1e-5)
        np.testing.assert_allclose(numpy(loss(y, raw, weight[:, None])), expected, rtol=1e-5)
    loss = pn.NegativeLogLikelihood("poisson", reduction=None)
    np.testing.assert_allclose(numpy(loss(y, raw)), rows, rtol=1e-5)


def test_independent_responses_add_up(rng):
    y = rng.normal(size=(7, 3))
    raw = rng.normal(size=(7, 6)).astype("float32")
    params = raw.astype("float64").reshape(7, 3, 2)
    expected = -stats.norm.logpdf(y, params[..., 0], np.exp(params[..., 1])).sum(axis=1)
    weight = rng.uniform(size=7)
    loss = pn.NegativeLogLikelihood("normal", reduction=None)
    np.testing.assert_allclose(numpy(loss(y, raw)), expected, rtol=1e-5)
    np.testing.assert_allclose(numpy(loss(y, raw, weight)), weight * expected, rtol=1e-5)


@each_family
def test_y_outside_the_support_raises_where_values_are_known(case):
    params, y = case.grid()
    raw = case.family.to_raw(params).astype("float32")
    for value in case.outside:
        wrong = y.copy()
        wrong[3] = value
        with pytest.raises(ValueError, match="in row 3"):
            pn.NegativeLogLikelihood(case.family)(wrong, raw)


@each(WIRED, compiles=True)
def test_in_a_compiled_step_of_plain_keras_no_weight_is_lost(case, rng):
    _, y = case.grid()
    x = rng.normal(size=(len(y), 3)).astype("float32")
    y[3] = np.nan
    model = keras.Sequential([keras.Input((3,)), pn.Head(case.family)])
    model.compile("sgd", pn.NegativeLogLikelihood(case.family))
    before = model.get_weights()
    if keras.backend.backend() == "torch":  # its steps are not compiled: values are known
        with pytest.raises(ValueError, match="in row"):
            model.fit(x, y, verbose=0)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    else:
        history = model.fit(x, y, batch_size=len(y), verbose=0)
        assert np.isnan(history.history["loss"]).all()
        assert all(np.isfinite(w).all() for w in model.get_weights())


@pytest.mark.backend
@pytest.mark.parametrize("cls", [keras.Sequential, pn.Sequential])
def test_streams_may_give_y_a_last_axis_that_arrays_have_not(cls, rng):
    x = rng.normal(size=(40, 2)).astype("float32")
    y = (x @ [1.0, 2.0]).astype("float32")

    class Stream(keras.utils.PyDataset):
        def __init__(self, y):
            super().__init__()
            self.y = y

        def __len__(self):
            return 4

        def __getitem__(self, i):
            rows = slice(10 * i, 10 * i + 10)
            return x[rows], self.y[rows]

    head = pn.Head("normal")
    model = cls([keras.Input((2,)), head])
    model.compile("sgd", pn.NegativeLogLikelihood(head.family))
    found = [
        model.evaluate(*data, verbose=0)
        for data in ((x, y), (Stream(y),), (Stream(y[:, None]),), (x, y[:, None]), (Stream(y),))
    ]
    np.testing.assert_allclose(found, found[0], rtol=1e-5)


def test_config_round_trip():
    loss = pn.NegativeLogLikelihood(
        pn.families.Bernoulli(link="probit"), reduction="sum", check=False, dtype="float64"
    )
    config = keras.saving.serialize_keras_object(loss)
    copy = keras.saving.deserialize_keras_object(config, safe_mode=True)
    assert copy.get_config() == loss.get_config()
    assert copy.family == loss.family
