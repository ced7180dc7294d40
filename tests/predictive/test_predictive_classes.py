"""Predictive distributions of classes: labels, the most probable class, and what has no order."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tables.families import FAMILIES
from tables.predictives import categorical

import probnn as pn
from probnn import calibration
from probnn.predictive.pooled import PooledPredictive

TRIPS = ["bus", "car", "rail"]
PROBS = np.array([[0.5, 0.2, 0.3], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5], [0.4, 0.4, 0.2]])
CUTS = {"loc": [0.0, 1.0, -1.0, 0.5], "cutpoints": [-1.5, -0.5, 0.5, 1.5]}


def trips():
    return pn.Predictive("categorical", {"probs": PROBS}, classes=TRIPS)


def ratings(classes=(1, 2, 3, 4, 5)):
    return pn.Predictive("ordinal", CUTS, classes=classes)


def test_the_number_of_classes_is_that_of_the_parameters():
    d = pn.Predictive("categorical", {"probs": np.full((4, 10), 0.1)})
    assert d.family == pn.families.Categorical(10)
    np.testing.assert_array_equal(d.classes, np.arange(10))
    assert pn.Predictive("categorical", {"probs": [0.2, 0.3, 0.5]}).family.classes == 3
    assert pn.Predictive("ordinal", CUTS).family == pn.families.Ordinal(5)
    with pytest.raises(ValueError, match="with 2 values in each row"):
        pn.Predictive(pn.families.Categorical(2), {"probs": PROBS})
    with pytest.raises(ValueError, match="probabilities that sum to 1"):  # of one class, (n,)
        pn.Predictive("categorical", {"probs": [0.9, 0.8, 0.7, 0.1]})


def test_labels_are_scored_as_their_codes_are():
    y = np.array(["rail", "car", "bus", "bus"])
    d, codes = trips(), np.array([2, 1, 0, 0])
    want = pn.Predictive("categorical", {"probs": PROBS})
    np.testing.assert_allclose(np.exp(d.log_prob(y)), PROBS[np.arange(4), codes])
    for score in ("log_score", "brier", "ranked_probability"):
        score = getattr(pn.scores, score)
        np.testing.assert_array_equal(score(pd.Series(y), d), score(codes, want))
    np.testing.assert_array_equal(d.pit(y, seed=1), want.pit(codes, seed=1))
    np.testing.assert_allclose(np.exp(d.log_prob("car")), PROBS[:, 1])
    pd.testing.assert_frame_equal(
        pn.scores.table({"a": d, "b": d[:]}, y), pn.scores.table({"a": want, "b": want}, codes)
    )


def test_ratings_from_one_are_no_codes():
    y = np.array([1, 2, 3, 4])
    probs = pn.families.Ordinal(5).mean(np.array(CUTS["loc"]), np.array(CUTS["cutpoints"]))
    d = ratings()
    np.testing.assert_allclose(d.log_prob(y), np.log(probs[np.arange(4), y - 1]))
    np.testing.assert_allclose(d.log_prob(5), np.log(probs[:, 4]))
    np.testing.assert_allclose(d.cdf(2), probs[:, :2].sum(axis=1))
    np.testing.assert_array_equal(d.cdf(5), 1.0)
    assert d.quantile(0.5).tolist() == [3, 4, 2, 3]
    assert [end.tolist() for end in d[:1].interval(0.5)] == [[2], [4]]
    assert d.mode().tolist() == (probs.argmax(axis=1) + 1).tolist()
    draws = d.sample(4000, seed=0)
    assert set(np.unique(draws)) == {1, 2, 3, 4, 5}
    np.testing.assert_allclose((draws == 1).mean(axis=0), probs[:, 0], atol=0.03)
    words = ratings(["bad", "poor", "fair", "good", "great"])
    assert words.quantile([0.05, 0.5]).tolist()[0] == ["bad", "fair"]
    np.testing.assert_array_equal(words.cdf("poor"), d.cdf(2))


def test_what_is_no_class_is_refused():
    for call in (trips().log_prob, lambda y: pn.scores.brier(y, trips())):
        with pytest.raises(ValueError, match=r"one of the classes 'bus', 'car', 'rail'.*'tram'"):
            call(["bus", "car", "rail", "tram"])
    with pytest.raises(ValueError, match=r"one of the classes 1, 2, 3, 4, 5.*Received: 0 in row 0"):
        ratings().log_prob([0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"0 to 2.*knows no labels"):
        categorical(PROBS).log_prob(["bus", "car", "rail", "car"])
    with pytest.raises(ValueError, match=r"a label for each of 3.*Received: 2, 'bus', 'car'"):
        pn.Predictive("categorical", {"probs": PROBS}, classes=["bus", "car"])
    with pytest.raises(ValueError, match="a label for each of 0, of <family normal"):
        pn.Predictive("normal", {"loc": [0.0], "scale": 1.0}, classes=["bus"])


def test_codes_stay_what_they_were():
    d = categorical(PROBS)
    assert d.log_prob(3).tolist() == [-np.inf] * 4
    assert d.mode().tolist() == [0, 1, 2, 0]
    assert pn.Predictive("normal", {"loc": [0.0], "scale": 1.0}).classes is None
    assert pn.Predictive("bernoulli", {"probs": [0.2, 0.7, 0.5]}).mode().tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.quantile(0.5),
        lambda d: d.interval(0.9),
        lambda d: d.cdf(d.classes[0]),
        lambda d: calibration.coverage(d.classes[[0, 1, 0, 2]], d),
    ],
    ids=["quantile", "interval", "cdf", "coverage"],
)
@pytest.mark.parametrize("labels", [None, TRIPS], ids=["codes", "labels"])
def test_what_needs_an_order_is_refused_of_classes_without(call, labels):
    d = pn.Predictive("categorical", {"probs": PROBS}, classes=labels)
    assert not d.ordered
    with pytest.raises(ValueError, match=r"order.*mode\(\).*calibration.conformal for sets"):
        call(d)


def test_the_frame_of_classes_has_labels_and_the_mode():
    frame = trips().to_frame()
    assert [*frame] == [
        *(f"{name}[{label}]" for name in ("probs", "mean", "stddev") for label in TRIPS),
        "mode",
    ]
    assert frame["mode"].tolist() == ["bus", "car", "rail", "bus"]
    assert "bus" in trips()._repr_html_()
    frame = ratings().to_frame(0.5)
    assert {"mean[1]", "mean[5]", "cutpoints[0]"} <= {*frame}
    assert frame["lower"].tolist()[0] == 2


def test_rows_pools_and_recalibrated_ones_keep_the_classes():
    one, two = trips(), pn.Predictive("categorical", {"probs": PROBS[::-1]}, classes=TRIPS)
    assert one[[1]].classes.tolist() == TRIPS
    pool = PooledPredictive([one, two])
    y = ["rail", "car", "bus", "bus"]
    codes = np.array([2, 1, 0, 0])
    mixed = (PROBS + PROBS[::-1]) / 2
    np.testing.assert_allclose(np.exp(pool.log_prob(y)), mixed[np.arange(4), codes])
    coded, again = pool.conditioned(y)
    np.testing.assert_array_equal(coded[1:].log_prob(again[1:]), pool.log_prob(y)[1:])
    cool = calibration.TemperatureScaling(2.0)(one)
    assert cool.classes.tolist() == TRIPS
    with pytest.raises(ValueError, match=r"same classes.*'bus', 'car', 'rail'; 'rail'"):
        PooledPredictive([one, pn.Predictive("categorical", {"probs": PROBS}, classes=TRIPS[::-1])])


def test_a_pool_of_ordered_classes_keeps_the_order():
    pool = PooledPredictive([ratings(), ratings()])
    np.testing.assert_array_equal(pool.quantile(0.5), ratings().quantile(0.5))
    np.testing.assert_allclose(pool.cdf(2), ratings().cdf(2))
    assert pool[1:].ordered
    assert calibration.TemperatureScaling(1.0)(pool).ordered
    plain = pn.Predictive("ordinal", CUTS)
    np.testing.assert_array_equal(PooledPredictive([plain, plain]).quantile(0.5), [2, 3, 1, 2])


@pytest.mark.parametrize(
    ("family", "params", "mode"),
    [
        ("poisson", {"rate": [0.3, 3.0, 7.5, 1e5 + 0.5]}, [0, 2, 7, 1e5]),
        (
            "negative_binomial",
            {"mean": [0.5, 12.5, 300.5], "dispersion": [2.0, 0.5, 0.1]},
            # floor((r - 1) (1 - p) / p), r = 1 / dispersion, (1 - p) / p = mean dispersion
            [0, 6, 270],
        ),
        ("geometric", {"mean": [5.0]}, [0]),
        (pn.families.Binomial(10), {"probs": [0.31, 0.95]}, [3, 10]),
    ],
)
def test_the_mode_of_counts_is_the_closed_form(family, params, mode):
    np.testing.assert_array_equal(pn.Predictive(family, params).mode(), mode)


@pytest.mark.parametrize(
    "case",
    [c for c in FAMILIES if c.family.kind == "counts" and not c.family.y_columns],
    ids=lambda case: case.name,
)
def test_the_mode_of_counts_is_the_largest_of_their_probabilities(case):
    d = pn.Predictive(case.family, case.arrays())
    k = np.arange(min(d.frozen.isf(1e-3).max() + 10.0, 1e5))
    pmf = np.array([np.exp(d[np.full(len(k), row)].log_prob(k)) for row in range(len(d))])
    most = pmf.max(axis=1)
    np.testing.assert_allclose(np.exp(d.log_prob(d.mode())), most, rtol=1e-9)
    first = [np.flatnonzero(p >= m * (1.0 - 1e-12))[0] for p, m in zip(pmf, most, strict=True)]
    np.testing.assert_array_equal(d.mode(), first)


def test_the_mode_of_counts_with_two_peaks_is_the_higher():
    family = pn.families.Mixture("poisson", components=2)
    params = {"rate": [[2.5, 40.0], [2.5, 40.0]], "weights": [[0.1, 0.9], [0.5, 0.5]]}
    k = np.arange(200)
    pmf = [
        sum(w * stats.poisson.pmf(k, r) for w, r in zip(ws, (2.5, 40.0), strict=True))
        for ws in params["weights"]
    ]
    np.testing.assert_array_equal(pn.Predictive(family, params).mode(), np.argmax(pmf, axis=1))


def test_the_mode_of_numbers_on_a_line_is_refused():
    with pytest.raises(ValueError, match=r"classes or counts.*quantile\(0.5\)"):
        pn.Predictive("normal", {"loc": [0.0], "scale": 1.0}).mode()


def test_calibration_of_labels_is_that_of_codes(rng):
    probs = rng.dirichlet(np.ones(3), 400)
    codes = np.array([rng.choice(3, p=p) for p in probs])
    y = np.array(TRIPS)[codes]
    d = pn.Predictive("categorical", {"probs": probs}, classes=TRIPS)
    plain = categorical(probs)
    found, want = calibration.reliability(y, d), calibration.reliability(codes, plain)
    assert found["class"].unique().tolist() == TRIPS
    pd.testing.assert_frame_equal(found.drop(columns="class"), want.drop(columns="class"))
    pd.testing.assert_frame_equal(calibration.report(y, d), calibration.report(codes, plain))
    for function in (calibration.decompose, calibration.expected_calibration_error):
        np.testing.assert_array_equal(function(y, d), function(codes, plain))
    assert calibration.conformal(y, d) == calibration.conformal(codes, plain)
    temperatures = [calibration.temperature_scaling(*each) for each in ((y, d), (codes, plain))]
    assert temperatures[0] == temperatures[1]
    residuals = [calibration.quantile_residuals(*each) for each in ((y, d), (codes, plain))]
    np.testing.assert_array_equal(*residuals)


def test_a_report_of_ratings_is_that_of_codes(rng):
    loc = rng.normal(size=300)
    params = {"loc": loc, "cutpoints": CUTS["cutpoints"]}
    codes = pn.Predictive("ordinal", params).sample(seed=rng)[0]
    d = pn.Predictive("ordinal", params, classes=[1, 2, 3, 4, 5])
    want = pn.Predictive("ordinal", params)
    pd.testing.assert_frame_equal(calibration.report(codes + 1, d), calibration.report(codes, want))
    pd.testing.assert_frame_equal(
        calibration.coverage(codes + 1, d), calibration.coverage(codes, want)
    )


# ---- every public function of y and a Predictive ---------------------------------------------

PUBLIC = {
    f"{module.__name__.removeprefix('probnn.')}.{name}": function
    for module in (pn.scores, calibration, pn.plots)
    for name in module.__all__
    if callable(function := getattr(module, name))
    and [*inspect.signature(function).parameters][:2] in (["y", "d"], ["y", "predictive"])
}


def outcome(function, y, d):
    """Return the numbers that a function makes or draws of y; its error, without what it shows."""
    try:
        found = function(y, d)
    except ValueError as error:
        return str(error).split("Received")[0]
    if hasattr(found, "get_lines"):
        found = [line.get_xydata() for line in found.get_lines()]
        plt.close("all")
        return np.concatenate(found)
    if isinstance(found, pd.DataFrame):
        return found.drop(columns="class", errors="ignore").to_numpy()
    return np.asarray(found, dtype=float) if np.ndim(found) or np.isscalar(found) else repr(found)


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "ordinal"])
@pytest.mark.parametrize("name", PUBLIC)
def test_a_function_of_labels_says_what_that_of_codes_says(name, kind, rng):
    n, labels = 300, {"bernoulli": ["no", "yes"], "categorical": TRIPS}.get(kind, [1, 2, 3, 4, 5])
    params = {
        "bernoulli": lambda: {"probs": rng.uniform(0.1, 0.9, n)},
        "categorical": lambda: {"probs": rng.dirichlet(np.ones(3), n)},
        "ordinal": lambda: {"loc": rng.normal(size=n), "cutpoints": CUTS["cutpoints"]},
    }[kind]()
    plain, d = (pn.Predictive(kind, params, classes=each) for each in (None, labels))
    codes = plain.sample(seed=rng)[0].astype(int)
    y = pd.Series(np.array(labels)[codes], index=rng.permutation(n))
    found, want = outcome(PUBLIC[name], y, d), outcome(PUBLIC[name], codes, plain)
    if isinstance(want, str):
        assert found == want
    else:
        np.testing.assert_array_equal(found, want)
