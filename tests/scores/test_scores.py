"""Scores against scoringrules, closed forms, and each other; tables of scores against a t-test."""

import functools

import numpy as np
import pandas as pd
import pytest
import scoringrules as sr
from scipy import integrate, stats

import probnn as pn
from probnn import scores
from probnn.predictive.pooled import PooledPredictive

N = 40
NAMES = tuple(scores.SCORES)


@pytest.fixture
def normal(rng):
    return pn.Predictive("normal", {"loc": rng.normal(size=N), "scale": rng.uniform(0.5, 2, N)})


@pytest.fixture
def y(rng):
    return rng.normal(scale=2.0, size=N)


@pytest.fixture
def counts(rng):
    return rng.poisson(3.0, N).astype(float)


@pytest.fixture
def poisson(rng):
    return pn.Predictive("poisson", {"rate": rng.uniform(1.0, 5.0, N)})


@pytest.fixture
def classes(rng):
    return pn.Predictive(pn.families.Categorical(4), {"probs": rng.dirichlet(np.ones(4), N)})


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)


def test_log_score_of_densities_and_of_probabilities(normal, y, poisson, counts):
    close(scores.log_score(y, normal), sr.logs_normal(y, *normal.params.values()))
    close(scores.log_score(counts, poisson), sr.logs_poisson(counts, poisson.params["rate"]))


def test_crps(normal, y, poisson, counts):
    close(scores.crps(y, normal), sr.crps_normal(y, *normal.params.values()))
    close(scores.crps(counts, poisson), sr.crps_poisson(counts, poisson.params["rate"]))


def test_crps_of_normals_keeps_its_digits_far_out():
    d = pn.Predictive("normal", {"loc": [0.0, 0.0], "scale": [1.0, 1e-6]})
    close(scores.crps([30.0, 5.0], d), [30.0 - np.pi**-0.5, 5.0 - 1e-6 * np.pi**-0.5])


def test_brier_of_a_yes_or_no(rng):
    p, y = rng.uniform(size=N), rng.integers(0, 2, N)
    d = pn.Predictive("bernoulli", {"probs": p})
    close(scores.brier(y, d), sr.brier_score(y, p))
    close(scores.ranked_probability(y, d), sr.brier_score(y, p))


def test_brier_of_classes_is_the_sum_of_those_of_every_class(rng, classes):
    y = rng.integers(0, 4, N)
    each = [sr.brier_score(y == k, classes.mean()[:, k]) for k in range(4)]
    close(scores.brier(y, classes), np.sum(each, axis=0))


def test_ranked_probability_of_classes(rng, classes):
    y = rng.integers(0, 4, N)
    close(scores.ranked_probability(y, classes), sr.rps_score(y + 1, classes.mean()))


def test_ranked_probability_of_a_near_certain_class_keeps_its_digits():
    rare = np.array([3e-12, 2e-12])
    d = pn.Predictive(pn.families.Categorical(3), {"probs": [[1.0 - rare.sum(), *rare]]})
    found = scores.ranked_probability([0], d)
    np.testing.assert_allclose(found, [rare.sum() ** 2 + rare[1] ** 2], rtol=1e-12)


def test_ranked_probability_of_ordinal_classes(rng):
    family = pn.families.Ordinal(3)
    d = pn.Predictive(
        family, {"loc": rng.normal(size=N), "cutpoints": np.tile([-0.5, 0.8], (N, 1))}
    )
    y = rng.integers(0, 3, N)
    below = stats.logistic.cdf(np.array([-0.5, 0.8]) - d.params["loc"][:, None])
    probs = np.diff(np.column_stack([np.zeros(N), below, np.ones(N)]))
    close(scores.ranked_probability(y, d), sr.rps_score(y + 1, probs))
    close(scores.brier(y, d), ((probs - np.eye(3)[y]) ** 2).sum(axis=1))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_interval(normal, y, level):
    loc, scale = normal.params.values()
    lower, upper = stats.norm.interval(level, loc, scale)
    close(scores.interval(y, normal, level=level), sr.interval_score(y, lower, upper, 1 - level))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.975])
def test_pinball(normal, y, p):
    q = stats.norm.ppf(p, *normal.params.values())
    close(scores.pinball(y, normal, p=p), sr.quantile_score(y, q, p))


def test_pinball_of_several_quantiles_has_a_column_for_each(poisson, counts):
    found = scores.pinball(counts, poisson, p=[0.2, 0.7])
    for j, p in enumerate([0.2, 0.7]):
        q = stats.poisson.ppf(p, poisson.params["rate"])
        close(found[:, j], sr.quantile_score(counts, q, p))


def test_twice_the_integral_of_pinball_losses_is_the_crps(normal, y):
    def loss(p):
        return 2.0 * scores.pinball(y, normal, p=p)

    found, _ = integrate.quad_vec(loss, 0.0, 1.0, epsabs=1e-10, limit=2000)
    np.testing.assert_allclose(found, scores.crps(y, normal), atol=1e-6)


def test_dawid_sebastiani(poisson, counts):
    rate = poisson.params["rate"]
    close(scores.dawid_sebastiani(counts, poisson), np.log(rate) + (counts - rate) ** 2 / rate)


def test_dawid_sebastiani_is_that_of_an_ensemble():
    d = pn.Predictive("bernoulli", {"probs": [0.25, 0.25]})
    ensemble = np.tile([0.0, 0.0, 0.0, 1.0], (2, 1))
    expected = sr.dssuv_ensemble(np.array([0.0, 1.0]), ensemble, bias=True)
    close(scores.dawid_sebastiani([0, 1], d), expected)


@pytest.fixture
def vectors(rng):
    family = pn.families.MultivariateNormal(2)
    tril = np.column_stack([np.full(N, 1.5), rng.normal(size=N), np.full(N, 0.7)])
    return pn.Predictive(family, {"loc": rng.normal(size=(N, 2)), "scale_tril": tril})


@pytest.fixture
def shares(rng):
    mean = rng.dirichlet([2.0, 3.0, 1.0], N)
    return pn.Predictive(pn.families.Dirichlet(3), {"mean": mean, "precision": np.full(N, 4.0)})


def test_energy_is_that_of_the_ensemble_of_its_draws(rng, shares):
    y = rng.dirichlet([1.0, 1.0, 1.0], N)
    found = scores.energy(y, shares, draws=200, seed=3)
    drawn = shares.sample(200, np.random.default_rng(3))
    close(found, sr.es_ensemble(y, drawn, m_axis=0, estimator="akr"))


def test_energy_of_two_normal_numbers_is_the_mean_crps_of_their_projections(rng, vectors):
    # |v| is a quarter of the integral of |u v| over the angles of unit vectors u.
    y, angle = vectors.params["loc"] + rng.normal(size=(N, 2)), np.pi * np.arange(400) / 400
    u = np.stack([np.cos(angle), np.sin(angle)])
    covariance = vectors.family.covariance(vectors.params["scale_tril"])
    scale = np.sqrt(np.einsum("ik,nij,jk->nk", u, covariance, u))
    each = sr.crps_normal(y @ u, vectors.params["loc"] @ u, scale)
    close(scores.energy(y, vectors), 0.5 * np.pi * each.mean(axis=1))


@pytest.mark.parametrize("other", [1e-9, 0.0])
def test_energy_of_one_normal_number_beside_a_constant_is_its_crps(rng, other):
    family = pn.families.MultivariateNormal(2)
    loc, y = (np.column_stack([rng.normal(size=4), np.zeros(4)]) for _ in range(2))
    d = pn.Predictive(family, {"loc": loc, "scale_tril": np.tile([1.0, 0.0, other], (4, 1))})
    close(scores.energy(y, d), sr.crps_normal(y[:, 0], loc[:, 0], 1.0))


def test_energy_of_a_number_is_its_crps(normal, y):
    close(scores.energy(y, normal), sr.crps_normal(y, *normal.params.values()))


def test_energy_in_blocks_of_rows_has_every_row(rng, shares, monkeypatch):
    monkeypatch.setattr("probnn.scores.rules._DRAWN", 8_000)
    y = rng.dirichlet([1.0, 1.0, 1.0], N)
    found = scores.energy(y, shares, draws=1000)
    again = [scores.energy(y[[i]], shares[[i]], draws=1000, seed=1)[0] for i in range(N)]
    np.testing.assert_allclose(found, again, atol=0.05)
    assert found.shape == (N,)


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_scores_best_on_average(name):
    # Proper scores: over many y of the truth, each rival is worse by 5 standard errors and more.
    rng = np.random.default_rng(5)
    n = 4000
    if name == "energy":
        family, zero = pn.families.MultivariateNormal(2), np.zeros((n, 2))
        tril = [np.tile(t, (n, 1)) for t in ([1.0, 0.0, 1.0], [1.0, 0.9, 0.4], [2.0, 0.0, 2.0])]
        truth, *rivals = (pn.Predictive(family, {"loc": zero, "scale_tril": t}) for t in tril)
    elif name == "brier":
        truth = pn.Predictive("bernoulli", {"probs": np.full(n, 0.3)})
        rivals = [pn.Predictive("bernoulli", {"probs": np.full(n, p)}) for p in (0.1, 0.5)]
    else:
        truth = pn.Predictive("poisson", {"rate": np.full(n, 3.0)})
        rivals = [pn.Predictive("poisson", {"rate": np.full(n, r)}) for r in (1.5, 5.0)]
    drawn = truth.sample(1, rng)[0]
    score = scores.SCORES[name]
    for rival in rivals:
        worse = score(drawn, rival) - score(drawn, truth)
        assert worse.mean() > 5 * worse.std() / np.sqrt(n)


# ---- several responses, and what is refused ----------------------------------------------------


def test_scores_of_two_responses_have_a_column_for_each(rng):
    loc, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    d = pn.Predictive("normal", {"loc": loc, "scale": np.ones((5, 2))})
    for name in ("log_score", "crps", "interval", "pinball", "dawid_sebastiani"):
        score = scores.SCORES[name]
        alone = pn.Predictive("normal", {"loc": loc[:, 1], "scale": np.ones(5)})
        close(score(y, d)[:, 1], score(y[:, 1], alone))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "brier"])
def test_bad_responses_raise(name, poisson, counts):
    score = scores.SCORES[name]
    for bad, said in ((counts + 0.5, "Expected"), (counts[:-1], "shape"), (counts * np.nan, "nan")):
        with pytest.raises(ValueError, match=said):
            score(bad, poisson)


@pytest.mark.parametrize(
    ("name", "d", "y", "said"),
    [
        ("brier", ("normal", {"loc": [0.0], "scale": [1.0]}), [0.0], "probabilities of classes"),
        ("ranked_probability", ("normal", {"loc": [0.0], "scale": [1.0]}), [0.0], "scores.crps"),
        ("interval", ("von_mises", {"loc": [0.0], "concentration": [1.0]}), [0.0], "on a line"),
        ("pinball", (pn.families.Categorical(2), {"probs": [[0.5, 0.5]]}), [0], "on a line"),
        (
            "dawid_sebastiani",
            (pn.families.Categorical(2), {"probs": [[0.5, 0.5]]}),
            [0],
            "on a line",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_score_that_does_not_apply_says_which_does(name, d, y, said):
    with pytest.raises(ValueError, match=said):
        scores.SCORES[name](y, pn.Predictive(*d))


def test_energy_needs_two_draws(vectors):
    with pytest.raises(ValueError, match="at least 2 draws"):
        scores.energy(np.zeros((N, 2)), vectors, draws=1)


# ---- tables ------------------------------------------------------------------------------------


def test_table_has_means_with_errors_and_paired_differences(normal, y):
    wide = pn.Predictive("normal", {"loc": normal.params["loc"], "scale": 3.0})
    found = scores.table({"a": normal, "b": wide}, y)
    assert list(found.index) == [(s, m) for s in ("log_score", "crps") for m in ("a", "b")]
    first, second = (sr.crps_normal(y, *d.params.values()) for d in (normal, wide))
    row = found.loc[("crps", "b")]
    test = stats.ttest_rel(second, first)
    close([row["mean"], row["se"]], [second.mean(), stats.sem(second)])
    close(row["difference"], (second - first).mean())
    close(row["difference"] / row["difference_se"], test.statistic)
    close(row["pvalue"], test.pvalue)
    close(row["skill"], 1 - second.mean() / first.mean())
    own = found.loc[("crps", "a")]
    assert own["difference"] == 0
    assert own["skill"] == 0
    assert np.isnan(own["pvalue"])
    assert found.loc["log_score", "skill"].isna().all()


def test_table_takes_another_reference_and_functions_of_your_own(normal, y):
    wide = pn.Predictive("normal", {"loc": normal.params["loc"], "scale": 3.0})
    own = {"error": lambda y, d: np.abs(y - d.mean())}
    found = scores.table({"a": normal, "b": wide}, y, own, reference="b")
    assert found.loc[("error", "a"), "difference"] == 0
    close(found.loc[("error", "b"), "mean"], np.abs(y - normal.params["loc"]).mean())


@pytest.mark.parametrize(
    ("family", "params", "y", "names"),
    [
        ("bernoulli", {"probs": [0.3, 0.4]}, [0, 1], ["log_score", "brier"]),
        (
            pn.families.Categorical(2),
            {"probs": [[0.5, 0.5], [0.1, 0.9]]},
            [0, 1],
            ["log_score", "brier"],
        ),
        (
            pn.families.Ordinal(3),
            {"loc": [0.0, 1.0], "cutpoints": [[0.0, 1.0]] * 2},
            [0, 2],
            ["log_score", "brier", "ranked_probability"],
        ),
        ("poisson", {"rate": [1.0, 2.0]}, [0, 1], ["log_score", "crps"]),
        (
            pn.families.MultivariateNormal(2),
            {"loc": np.zeros((2, 2)), "scale_tril": [[1.0, 0.0, 1.0]] * 2},
            [[0.0, 1.0], [1.0, 0.0]],
            ["log_score", "energy"],
        ),
    ],
    ids=["yes or no", "classes", "ordered", "counts", "vectors"],
)
def test_table_knows_the_scores_of_a_family(family, params, y, names):
    found = scores.table({"a": pn.Predictive(family, params)}, np.array(y))
    assert list(found.index.get_level_values("score")) == names


def test_densities_and_probabilities_are_not_compared_by_the_log_score(poisson, counts):
    rate = poisson.params["rate"]
    both = {"a": poisson, "b": pn.Predictive("normal", {"loc": rate, "scale": np.sqrt(rate)})}
    assert set(scores.table(both, counts).index.get_level_values("score")) == {"crps"}
    with pytest.raises(ValueError, match="Received: densities and probabilities"):
        scores.table(both, counts, ["log_score"])


def test_an_impossible_row_makes_the_mean_infinite_without_a_warning():
    d = pn.Predictive("bernoulli", {"probs": [0.0, 0.5]})
    found = scores.table({"a": d, "b": d}, [1, 1])
    assert np.isinf(found.loc[("log_score", "a"), "mean"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scores": ["crp"]}, "names of scores: log_score, crps, .* Received: 'crp'"),
        ({"reference": "c"}, "reference among 'a'. Received: 'c'"),
    ],
)
def test_unknown_names_raise(normal, y, options, said):
    with pytest.raises(ValueError, match=said):
        scores.table({"a": normal}, y, **options)


@pytest.mark.parametrize("models", [{}, [1], None])
def test_no_models_raise(models, y):
    with pytest.raises(ValueError, match="at least one Predictive"):
        scores.table(models, y)


def test_what_is_no_predictive_raises(normal, y):
    for call in (
        lambda: scores.table({"a": y}, y),
        lambda: scores.log_score(normal, y),
        lambda: scores.crps(y, None),
        lambda: scores.interval(y, "normal"),
    ):
        with pytest.raises(ValueError, match=r"Expected .*a Predictive"):
            call()
    with pytest.raises(ValueError, match="the same rows"):
        scores.table({"a": normal, "b": normal[:3]}, y)


def test_the_truth_beats_independence_where_responses_depend_on_each_other(rng):
    tril = np.array([1.0, 0.9, np.sqrt(1 - 0.81)])
    family = pn.families.MultivariateNormal(2)
    zero = np.zeros((500, 2))
    joint = pn.Predictive(family, {"loc": zero, "scale_tril": np.tile(tril, (500, 1))})
    alone = pn.Predictive("normal", {"loc": zero, "scale": 1.0})
    drawn = joint.sample(1, rng)[0]
    found = scores.table({"joint": joint, "alone": alone}, drawn)
    cov = [[1.0, 0.9], [0.9, 1.0]]
    close(
        found.loc["log_score", "mean"],
        [
            -stats.multivariate_normal([0, 0], cov).logpdf(drawn).mean(),
            -stats.norm.logpdf(drawn).sum(axis=1).mean(),
        ],
    )
    assert list(found.index.get_level_values("score").unique()) == ["log_score", "energy"]
    assert (found.xs("alone", level="model")["difference"] > 0).all()
    assert (found.xs("alone", level="model")["pvalue"] < 1e-3).all()


def test_several_responses_are_averaged_but_for_likelihoods(rng):
    loc, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    d = pn.Predictive("normal", {"loc": loc, "scale": np.ones((5, 2))})
    found = scores.table({"a": d}, y)["mean"]
    close(found["log_score"], -stats.norm.logpdf(y, loc).sum(axis=1).mean())
    close(found["crps"], sr.crps_normal(y, loc, 1.0).mean())


def test_models_that_differ_by_rounding_do_not_differ(normal, y):
    pooled = PooledPredictive([normal, normal])
    found = scores.table({"a": normal, "b": pooled}, y)
    assert found["pvalue"].isna().all()
    close(found["difference"], 0.0)


def test_an_atom_is_no_density(rng):
    y = np.array([0.0, 1.0, 2.0])
    tweedie = pn.Predictive(pn.families.Tweedie(), {"mean": np.ones(3), "dispersion": 1.0})
    other = pn.Predictive("normal", {"loc": np.ones(3), "scale": 1.0})
    both = {"tweedie": tweedie, "normal": other}
    assert set(scores.table(both, y).index.get_level_values("score")) == {"crps"}
    with pytest.raises(ValueError, match="densities and densities with probabilities"):
        scores.table(both, y, ["log_score"])
    assert "log_score" in scores.table(both, y + 0.5).index.get_level_values("score")


def test_bounds_have_the_log_score_alone():
    bounds = np.array([[1.0, np.inf], [2.0, 2.0]])
    d = pn.Predictive(pn.families.Censored("exponential"), {"mean": [1.0, 2.0]})
    found = scores.table({"a": d}, bounds)
    expected = [stats.expon.logsf(1.0), stats.expon.logpdf(2.0, scale=2.0)]
    close(found.loc[("log_score", "a"), "mean"], -np.mean(expected))
    assert len(found) == 1


def test_scores_of_your_own_may_be_series_and_keep_their_skill(normal, y):
    wide = pn.Predictive("normal", {"loc": normal.params["loc"], "scale": 3.0})
    half = functools.partial(scores.interval, level=0.5)
    own = {"squared": lambda y, d: (y - d.mean()) ** 2, "half": half}
    found = scores.table({"a": normal, "b": wide}, pd.Series(y), own)
    mean = [scores.interval(y, d, level=0.5).mean() for d in (normal, wide)]
    close(found.loc[("half", "b"), "skill"], 1 - mean[1] / mean[0])
    close(found.loc[("squared", "a"), "mean"], ((y - normal.mean()) ** 2).mean())
    assert list(scores.table({"a": normal}, y, [scores.crps]).index) == [("crps", "a")]
    with pytest.raises(ValueError, match=r"score for each of the 40 rows. Received from 'one'"):
        scores.table({"a": normal}, y, {"one": lambda y, d: 1.0})


def test_an_energy_score_of_independent_responses_is_that_of_their_draws(rng):
    loc, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    d = pn.Predictive("normal", {"loc": loc, "scale": np.ones((6, 3))})
    drawn = d.sample(50, np.random.default_rng(2))
    expected = sr.es_ensemble(y, drawn, m_axis=0, estimator="akr")
    close(scores.energy(y, d, draws=50, seed=2), expected)
    assert scores.table({"a": d}, y, ["energy"]).shape == (1, 6)


@pytest.mark.parametrize("trials", [None, [5.0, 5.0, 5.0]])
@pytest.mark.parametrize("bad", [[7.0, 2.0, 1.0], [2.5, 2.0, 1.0], [-1.0, 2.0, 1.0], [np.nan] * 3])
def test_impossible_successes_raise(trials, bad):
    params = {"probs": [0.3, 0.4, 0.5]}
    if trials is None:
        d, y = pn.Predictive("binomial", params), np.column_stack([bad, np.full(3, 5.0)])
    else:
        d, y = pn.Predictive("binomial", params | {"trials": trials}), bad
    for score in (scores.log_score, scores.crps, scores.interval):
        with pytest.raises(ValueError, match="pairs of successes"):
            score(y, d)


def test_a_column_of_impossible_times_raises():
    d = pn.Predictive(pn.families.Censored("exponential"), {"mean": np.ones(3)})
    for y in (-np.ones(3), -np.ones((3, 1)), np.tile([-2.0, -1.0], (3, 1))):
        with pytest.raises(ValueError, match="Expected every y to lie in the support"):
            scores.log_score(y, d)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.eye(4)[[0, 1]], r"argmax\(axis=1\)"),
        (["a", "b"], "numeric"),
        (np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"), "numeric. .* datetime64"),
    ],
    ids=["indicators", "text", "dates"],
)
def test_responses_that_are_no_numbers_raise(y, said, classes):
    with pytest.raises(ValueError, match=said):
        scores.brier(y, classes[:2])


def test_no_variance_has_no_dawid_sebastiani_score():
    d = pn.Predictive("bernoulli", {"probs": [0.0, 0.5]})
    found = scores.dawid_sebastiani([1, 0], d)
    assert np.isnan(found[0])
    close(found[1], np.log(0.25) + 1.0)


def test_vectors_have_no_crps(vectors):
    with pytest.raises(ValueError, match="of vectors: log_score, energy"):
        scores.crps(np.zeros((N, 2)), vectors)
