"""The binomial and the beta-binomial family with the trials in a second column of y."""

import keras
import numpy as np
import pytest
from scipy import stats

import probnn as pn
from probnn import backend

NAMES = ["binomial", "beta_binomial"]


def params(name, n, rng):
    """Return parameters of n rows."""
    probs = rng.uniform(0.05, 0.95, size=n)
    return {"probs": probs, **({"precision": np.full(n, 6.0)} if name != "binomial" else {})}


def reference(name, y, probs, precision=None):
    if name == "binomial":
        return stats.binom.logpmf(y[:, 0], y[:, 1], probs)
    return stats.betabinom.logpmf(y[:, 0], y[:, 1], probs * precision, (1 - probs) * precision)


def pairs(rng, n=200):
    """Return successes and trials, with none and all of them among the successes."""
    trials = rng.integers(1, 60, size=n).astype("float64")
    successes = rng.binomial(trials.astype(int), rng.uniform(size=n)).astype("float64")
    successes[:2] = 0.0, trials[1]
    return np.stack([successes, trials], axis=-1)


@pytest.mark.backend
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
def test_log_prob_of_two_columns_equals_scipy(name, dtype, rtol, rng):
    family, y = pn.families.get(name), pairs(rng)
    raw = family.to_raw(params(name, len(y), rng)).astype(dtype)
    expected = reference(name, y, **family.to_params(raw.astype("float64")))
    with backend.float64():
        on_device = [keras.ops.convert_to_tensor(v.astype(dtype)) for v in (y, raw)]
        found = family.log_prob(*on_device)
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        found = keras.ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(family.log_prob(y, raw.astype("float64")), expected, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_two_columns_and_one_agree(name, rng):
    one, two = pn.families.get(name, trials=30), pn.families.get(name)
    successes = np.arange(31.0)
    y = np.stack([successes, np.full(31, 30.0)], axis=-1)
    raw = one.to_raw(params(name, 31, rng))
    pairs = zip(one.derivatives(successes, raw), two.derivatives(y, raw), strict=True)
    for first, second in [(one.log_prob(successes, raw), two.log_prob(y, raw)), *pairs]:
        np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.mean(**one.to_params(raw)), 30 * two.mean(**one.to_params(raw)))
    assert (two.y_columns, two.y_meaning) == (2, "successes and trials")
    assert one.y_columns is None


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_every_link_of_probabilities(link):
    family = pn.families.Binomial(link=link)
    raw = np.linspace(-1.5, 1.2, 7)[:, None]
    y = np.stack([np.arange(7.0), np.full(7, 6.0)], axis=-1)
    probs = family.to_params(raw)["probs"]
    np.testing.assert_allclose(
        family.log_prob(y, raw), stats.binom.logpmf(y[:, 0], 6, probs), rtol=1e-10
    )


@pytest.mark.parametrize("name", NAMES)
def test_masses_of_many_trials_keep_their_digits(name, rng):
    # Against SciPy's binomial, which is precise; the other one tends to it.
    trials = np.floor(10 ** rng.uniform(1, 7, size=500))
    eta = rng.normal(size=500) * 3
    successes = rng.binomial(trials.astype(int), 1 / (1 + np.exp(-eta))).astype("float64")
    raw = eta[:, None] if name == "binomial" else np.column_stack([eta, np.full(500, 60.0)])
    y = np.stack([successes, trials], axis=-1)
    found = pn.families.get(name).log_prob(y, raw)
    expected = np.log(stats.binom.pmf(successes, trials, 1 / (1 + np.exp(-eta))))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)
    few = trials < 1e5
    found = pn.families.get(name).log_prob(y[few].astype("float32"), raw[few].astype("float32"))
    eta = raw[few, 0].astype("float32").astype("float64")
    expected = stats.binom.logpmf(successes[few], trials[few], 1 / (1 + np.exp(-eta)))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_start_of_two_columns(name, rng):
    family, y = pn.families.get(name), pairs(rng)
    start = family.start(y)
    raw = family.to_raw(start)

    def total(raw):
        return family.log_prob(y, np.broadcast_to(raw, (len(y), len(raw)))).sum()

    for column in range(family.size):
        for shift in (-0.01, 0.01):
            moved = raw.copy()
            moved[column] += shift
            assert total(moved) < total(raw)
    for same in ([0.0, 7.0], [7.0, 7.0], [2.0, 5.0], [1.0, 1.0]):
        found = family.to_raw(family.start(np.tile(same, (9, 1))))
        assert np.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "bad", [[5.0, 4.0], [-1.0, 4.0], [1.5, 4.0], [0.0, 0.0], [1.0, np.nan], [np.nan, 3.0]]
)
def test_pairs_outside_the_support_are_named(name, bad):
    family = pn.families.get(name)
    with pytest.raises(ValueError, match=r"successes 0, 1, .*in row 1 \(column .*two columns"):
        family.start(np.array([[1.0, 3.0], bad, [0.0, 1.0]]))


@pytest.mark.parametrize("name", NAMES)
def test_the_trials_are_saved(name):
    for family in (pn.families.get(name), pn.families.get(name, trials=12, link="probit")):
        config = family.get_config()
        assert config["trials"] == family.trials
        assert pn.families.get(config) == family
    with pytest.raises(ValueError, match=r"whole number >= 1.* Received: 0"):
        pn.families.get(name, trials=0)


@pytest.mark.parametrize("name", NAMES)
def test_frozen_takes_the_trials_of_each_row(name, rng):
    family, given = pn.families.get(name), params(name, 5, rng)
    trials = np.array([1.0, 4.0, 9.0, 30.0, 200.0])
    frozen = family.frozen(**given, trials=trials)
    y = np.floor(0.6 * trials)
    np.testing.assert_allclose(
        frozen.logpmf(y), reference(name, np.stack([y, trials], axis=-1), **given), rtol=1e-9
    )
    np.testing.assert_allclose(frozen.mean(), family.mean(**given, trials=trials))
    masses = frozen.pmf(np.arange(201.0)[:, None])
    np.testing.assert_allclose(masses.sum(axis=0), 1.0, rtol=1e-12)
    cdf = np.cumsum(masses, axis=0)
    np.testing.assert_allclose(frozen.cdf(y), cdf[y.astype(int), np.arange(5)], rtol=1e-12)
    np.testing.assert_array_equal(frozen.ppf(0.3), (cdf < 0.3).sum(axis=0))
    np.testing.assert_array_equal(frozen.isf(0.1), (cdf < 0.9).sum(axis=0))
    below = np.arange(201.0)[:, None] >= y
    rows = (cdf - below) ** 2
    np.testing.assert_allclose(
        family._crps(y, trials=trials, **given), rows.sum(axis=0), rtol=1e-9, atol=1e-12
    )
    with pytest.raises(ValueError, match=r"trials of each row.*'trials': \.\.\."):
        family.frozen(**given)


@pytest.mark.backend
def test_metrics_compare_shares(rng):
    x = rng.normal(size=(200, 2))
    y = np.column_stack([rng.binomial(9, 0.4, size=200), np.full(200, 9)]).astype("float64")
    model = pn.Sequential([keras.Input((2,)), pn.Head("binomial")])
    model.compile("adam", metrics=["mean_absolute_error"])
    model.fit(x, y, verbose=0)
    found = model.evaluate(x, y, verbose=0, return_dict=True)["mean_absolute_error"]
    want = np.abs(y[:, 0] / 9 - model.predict(x, verbose=0)).mean()
    np.testing.assert_allclose(found, want, rtol=1e-5)
