"""Separation, against textbook data and the linear programme of all rows."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import linprog

import probnn as pn
from probnn.fitting import overlap
from probnn.fitting import separation as module
from probnn.fitting.likelihood import Likelihood
from probnn.fitting.overlap import is_proven
from probnn.fitting.separation import PerfectSeparationError, check
from probnn.fitting.solve import solve

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("PROBNN_DATA", ROOT.parent / "shared" / "data"))


def found(y, x, kind="binary", **options):
    """Return the columns named and whether separation is complete, or None if there is none."""
    names = ["const", *(f"x{j}" for j in range(1, np.shape(x)[1]))]
    try:
        check(y, x, kind, names, **options)
    except PerfectSeparationError as error:
        return error.columns, error.complete
    return None


def design(*columns):
    return np.column_stack([np.ones(len(columns[0])), *columns]).astype(float)


# https://stats.oarc.ucla.edu/other/mult-pkg/faq/general/faqwhat-is-complete-or-quasi-complete-separation-in-logistic-regression-and-what-are-some-strategies-to-deal-with-the-issue/
UCLA_COMPLETE = design([1, 2, 3, 3, 5, 6, 10, 11], [3, 2, -1, -1, 2, 4, 1, 0])
UCLA_QUASI = design([1, 2, 3, 3, 3, 4, 5, 6, 10, 11], [3, 0, -1, 4, 1, 0, 2, 7, 3, 4])
LINE = design([1, 2, 3, 4, 5, 6])
DUMMY = design([0, 0, 0, 0, 1, 1])
BOTH = np.column_stack([1 - DUMMY[:, 1], DUMMY[:, 1]])  # no constant
DIAGONAL = design([0, 1, 2, 0, 1, 2, 3, 4], [1, 2, 3, -1, 0, 1, 2, 3])


@pytest.mark.parametrize(
    ("kind", "y", "x", "expected"),
    [
        ("binary", [0] * 4 + [1] * 4, UCLA_COMPLETE, (["x1"], True)),
        ("binary", [0] * 4 + [1] * 6, UCLA_QUASI, (["x1"], False)),
        ("binary", [0] * 4 + [1] * 6, UCLA_QUASI[:, [0, 2]], None),
        ("binary", [0, 0, 0, 1, 1, 1], LINE, (["x1"], True)),
        ("binary", [1, 1, 1, 0, 0, 0], LINE, (["x1"], True)),
        ("binary", [0, 0, 1, 0, 1, 1], LINE, None),
        ("binary", [0, 1, 0, 1, 1, 1], DUMMY, (["x1"], False)),
        ("binary", [0, 1, 0, 1, 1, 0], DUMMY, None),
        ("binary", [0, 1, 0, 1, 1, 1], BOTH, (["x1"], False)),
        # The two columns together, and neither alone.
        ("binary", [1, 1, 1, 0, 0, 0, 0, 0], DIAGONAL, (["x1", "x2"], True)),
        # Two dummies, each of which separates: both are named.
        (
            "binary",
            [0, 1, 1, 1, 0],
            design([0, 0, 1, 0, 0], [0, 0, 0, 1, 0]),
            (["x1", "x2"], False),
        ),
        # A proportion must have x'b = 0: it stands on the boundary, or in the way.
        ("binary", [0, 0, 0.5, 1, 1, 1], LINE, (["x1"], False)),
        ("binary", [0, 0.5, 0, 1, 1, 1], LINE, None),
        ("binary", [0.1, 0.5, 0.2, 0.9, 0.3, 0.7], LINE, None),
        ("binary", [0.5, 0.5, 0.2, 0.9, 1, 1], DUMMY, (["x1"], False)),
        ("binary", [0.5, 0.5, 0.2, 0.9, 1, 0.9], DUMMY, None),
        ("categorical", [0, 0, 1, 1, 2, 2], LINE, (["x1 (class 1)", "x1 (class 2)"], True)),
        ("categorical", [0, 1, 2, 0, 1, 2], LINE, None),
        ("categorical", [0, 0, 1, 2, 1, 2], LINE, (["x1 (class 1)", "x1 (class 2)"], False)),
        ("categorical", [0, 1, 2, 0, 0, 1], DUMMY, (["x1 (class 2)"], False)),
        ("counts", [3, 0, 1, 2, 0, 0], DUMMY, (["x1"], False)),
        ("counts", [3, 0, 1, 2, 0, 1], DUMMY, None),
        ("counts", [0, 0, 0, 0, 0, 4], LINE, (["x1"], False)),
        ("counts", [0, 0, 0, 0, 3, 4], LINE, None),
        ("counts", [1, 2, 3, 4, 5, 6], LINE, None),
    ],
)
def test_cases(kind, y, x, expected):
    for order in "CF":
        assert found(y, np.asarray(x, order=order), kind) == expected
    # Neither units nor the order of rows matter.
    assert found(y[::-1], x[::-1] * np.logspace(0, -7, x.shape[1]), kind) == expected


@pytest.mark.parametrize(
    ("kind", "y", "message"),
    [
        ("binary", [0] * 6, "6 rows without 1"),
        ("binary", [1] * 6, "6 rows without 0"),
        ("categorical", [0, 2, 0, 2, 0, 2], "6 rows without 1"),
        ("counts", [0] * 6, "without a count above 0"),
    ],
)
def test_y_without_a_value_is_a_separation_by_the_constant(kind, y, message):
    with pytest.raises(PerfectSeparationError, match=message) as info:
        check(y, LINE, kind, ["const", "x1"])
    assert info.value.columns == ["const"]


def test_y_of_one_value_without_a_constant_may_have_estimates():
    assert found([1, 1], [[1.0], [-1.0]]) is None
    assert found([1, 1], [[1.0], [2.0]]) == (["const"], True)


def test_labels_of_classes():
    with pytest.raises(
        PerfectSeparationError, match="without 'c': separation by the constant"
    ) as info:
        check([0, 1, 0, 1, 0, 1], LINE, "categorical", ["const", "x1"], classes=["a", "b", "c"])
    assert info.value.columns == ["const"]
    result = found([0, 1, 2, 0, 0, 1], DUMMY, "categorical", classes=np.array(["a", "b", "c"]))
    assert result == (["x1 (class c)"], False)


def test_the_message_says_what_to_do():
    names = ["const", "age", "dose"]
    with pytest.raises(
        ValueError, match="quasi-complete separation by 'age': 7 of 10 rows"
    ) as info:
        check([0] * 4 + [1] * 6, UCLA_QUASI, "binary", names)
    assert 'fit(method="firth")' in str(info.value)
    assert "fit_regularized(alpha=..., L1_wt=0)" in str(info.value)
    with pytest.raises(ValueError, match="2 of 6 rows") as info:
        check([3, 0, 1, 2, 0, 0], DUMMY, "counts", ["const", "group"])
    assert "firth" not in str(info.value)
    with pytest.raises(ValueError, match="fit_regularized") as info:
        check([0] * 4 + [1] * 6, UCLA_QUASI, "binary", names, firth=False)
    assert "firth" not in str(info.value)


@pytest.mark.parametrize(
    ("y", "x", "kind", "message"),
    [
        ([0, 1], LINE, "binary", r"\(6, 2\), \(2,\) and 2 names"),
        ([0, 0, 1, 0, 1, 1], LINE, "gaussian", "'gaussian'"),
        ([0, 0, 1, 0, 1, 1], np.full((6, 2), np.nan), "binary", "finite"),
        ([0, 0, 1, 0, 1, 1], design([1, 2, 3, np.inf, 5, 6]), "binary", "finite"),
    ],
)
def test_bad_problems_get_a_clear_error(y, x, kind, message):
    with pytest.raises(ValueError, match=message) as info:
        check(y, x, kind, ["const", "x1"])
    assert not isinstance(info.value, PerfectSeparationError)


def brute_force(y, x, kind):
    """Return whether there is separation, and whether it is complete, from all rows at once."""
    count = max(int(max(y)) + 1, 2)
    rows, equal = [], []
    for value, row in zip(y, x, strict=True):
        for rival in range(count) if kind == "categorical" else [None]:
            if rival is None:
                rows.append(row if kind == "binary" and value == 1 else -row)
                equal.append(value > 0 if kind == "counts" else 0 < value < 1)
            elif rival != value:
                rows.append(
                    np.kron(np.eye(count)[int(value)] - np.eye(count)[rival], row)[len(row) :]
                )
                equal.append(False)
    rows, equal = np.array(rows, float), np.array(equal)
    system = {"A_ub": -rows[~equal], "b_ub": np.zeros(np.sum(~equal)), "bounds": (-1, 1)}
    system |= {"A_eq": rows[equal], "b_eq": np.zeros(np.sum(equal))}
    gain = -linprog(-rows[~equal].sum(axis=0), **system).fun
    shifted = linprog(
        np.zeros(rows.shape[1]),
        **system | {"b_ub": -np.ones(np.sum(~equal)), "bounds": (None, None)},
    )
    return gain > 1e-6, not equal.any() and shifted.status == 0


@pytest.mark.parametrize("kind", ["binary", "proportion", "categorical", "counts"])
def test_agrees_with_brute_force(kind, monkeypatch):
    monkeypatch.setattr(module, "_NUMBERS", 40)  # many blocks
    outcomes = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        monkeypatch.setattr(module, "_MANY", 32 * (seed % 2))  # without programmes where it can
        n, p = rng.integers(4, 60), rng.integers(2, 6)
        x = rng.integers(-2, 3, size=(n, p)).astype(float)
        x[:, 0] = 1 if seed % 4 else x[:, 0]
        x[:, -1] = rng.random(n) < 0.2 if seed % 3 else x[:, -1]
        odds = x @ rng.normal(size=(p, 3)) * rng.choice([0.3, 3]) + rng.gumbel(size=(n, 3))
        if kind == "categorical":
            y = odds.argmax(axis=1)
        elif kind == "counts":
            y = rng.poisson(np.exp(np.clip(odds[:, 0] - 3, -9, 2)))
        else:
            y = np.where(odds[:, 0] > odds[:, 1], 1.0, 0.0)
            y[rng.random(n) < 0.1 * (kind == "proportion")] = 0.5
        name = "binary" if kind == "proportion" else kind
        expected = brute_force(y, x, name)
        result = found(y, x, name)
        assert (result is not None, result is not None and result[1]) == expected, seed
        outcomes.append(expected)
        if result is not None and kind != "categorical":
            # Those named separate with the constant.
            named = ["const", *(f"x{j}" for j in range(1, p))]
            columns = [j for j in range(p) if named[j] in result[0] or (x[:, j] == 1).all()]
            assert brute_force(y, x[:, columns], name)[0], seed
    assert {(False, False), (True, False)} <= set(outcomes)
    assert kind == "proportion" or (True, True) in outcomes


def test_a_column_that_separates_is_named_among_noise(rng):
    n = 3000
    x = design(*rng.normal(size=(40, n)))
    y = (x[:, 5] > np.quantile(x[:, 5], 0.9)).astype(float)
    assert found(y, x) == (["x5"], True)
    dummy = x.copy()
    dummy[:, 7] = np.arange(n) < 4
    assert found(np.where(dummy[:, 7] == 1, 0, rng.random(n) < 0.5), dummy) == (["x7"], False)


def test_few_columns_that_separate_together_are_named_among_noise(rng):
    n = 3000
    x = design(*rng.normal(size=(40, n)))
    for columns in ([2, 3], [4, 20, 31]):
        y = (x[:, columns].sum(axis=1) > 0).astype(float)
        assert found(y, x) == ([f"x{j}" for j in columns], True)
    # So they are where noise tells even the ties on the boundary.
    total = np.round(x[:, 2] + x[:, 3], 1)
    x[:, 3] = total - x[:, 2]
    y = np.where(total == 0, rng.random(n) < 0.5, total > 0).astype(float)
    assert found(y, x) == (["x2", "x3"], True)
    message = f"quasi-complete separation by 'x2' with 'x3': {np.sum(total != 0)} of 3000 rows"
    with pytest.raises(PerfectSeparationError, match=message):
        check(y, x, "binary", [f"x{j}" for j in range(41)])


def test_of_many_columns_the_message_names_a_few(rng):
    x = design(*rng.normal(size=(60, 100)))
    with pytest.raises(PerfectSeparationError, match=r"'x\d+' and \d+ more: 100 of 100") as info:
        check(rng.random(100) < 0.5, x, "binary", [f"x{j}" for j in range(61)])
    assert 8 < len(info.value.columns) < 60
    assert info.value.complete


def test_rounding_of_a_centred_column_is_no_overlap():
    differ = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = design(rng.integers(-2, 3, size=30), np.arange(30) < 2)
        y = np.where(x[:, 2] == 1, 0, rng.random(30) < 0.6)
        expected = found(y, x)
        # Units and an origin that binary fractions do not hold exactly.
        moved = (x + np.array([0, rng.choice([1, 100]), 1e5])) * [1e-5, 0.1, 1e-3]
        differ += np.any(moved[2:, 2] - moved[2:, 0] * (moved[2, 2] / moved[2, 0]))
        assert found(y, moved) == expected
        assert "x2" in expected[0]
    assert differ


def test_iris_setosa_separates():
    from sklearn.datasets import load_iris

    iris = load_iris()
    columns, complete = found(iris.target, design(*iris.data.T), "categorical")
    # Either measure of petals does it alone, with the other two classes on one side.
    assert columns == [f"x{j} (class {k})" for j in (3, 4) for k in (1, 2)]
    assert not complete
    assert found(iris.target[50:] - 1, design(*iris.data[50:].T)) is None


def test_banknotes_overlap_though_nearly_separable():
    path = DATA / "banknote_authentication.csv"
    if not path.exists():
        pytest.skip(f"no {path}: set PROBNN_DATA to the folder that has it")
    data = np.genfromtxt(path, delimiter=",", skip_header=1)
    x, y = design(*data[:, :4].T), data[:, 4]
    assert found(y, x) is None
    fit = sm.Logit(y, x).fit(disp=0)
    wrong = (fit.fittedvalues > 0) != y
    assert 0 < wrong.sum() < 20
    assert found(y[~wrong], x[~wrong])[1]


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_a_gap_is_told_from_an_overlap(gap, rng):
    x = design(*rng.normal(size=(4, 300)))
    b = np.array([0.3, 1, -1, 0.5, 2])
    y = (x @ b > 0).astype(float)
    # Pairs of rows astride the boundary, by the gap.
    near = design(*rng.normal(size=(4, 40)))
    near[:, 4] -= near @ b / b[4]
    for side in (1, -1):
        near[:, 4] += side * gap
        x, y = np.vstack([x, near]), np.append(y, np.full(len(near), side > 0))
        near[:, 4] -= side * gap
    assert found(y, x)[1]
    y[-80:] = 1 - y[-80:]
    assert found(y, x) is None


def test_rare_events_and_a_rare_dummy(rng):
    n = 100_000
    x = design(*rng.normal(size=(4, n)))
    x[:, 4] = 0
    x[rng.choice(n, 7, replace=False), 4] = 1
    y = np.zeros(n)
    y[rng.choice(np.flatnonzero(x[:, 4] == 0), 20, replace=False)] = 1
    assert found(y, x) == (["x4"], False)
    assert found(y, x[:, :4]) is None
    y[np.flatnonzero(x[:, 4])[0]] = 1
    assert found(y, x) is None
    y[:] = 0
    y[np.argsort(x[:, 1] + x[:, 2])[-20:]] = 1
    assert found(y, x[:, :4]) == (["x1", "x2"], True)
    # The dummy has no event either, and is the shorter reason.
    assert found(y, x) == (["x4"], True)
    # Its units do not matter, though no row of the sample has any.
    assert found(y, x * [1, 1, 1, 1, 1e-12]) == (["x4"], True)
    counts = rng.poisson(0.5, size=n)
    assert found(counts, x, "counts") is None
    counts[x[:, 4] == 1] = 0
    assert found(counts, x, "counts") == (["x4"], False)
    # A positive count may lie on neither side: here on that opposite to the zeros.
    rare = np.flatnonzero(x[:, 4])
    x[rare[-1], 4], counts[rare[-1]] = -1, 2
    assert found(counts, x, "counts") is None


def test_rows_on_the_boundary_are_found_outside_of_the_sample():
    x = design(np.arange(5000) % 10)
    y = (x[:, 1] > 4).astype(float)
    assert found(y, x) == (["x1"], True)
    x[[7, 8], 1], y[[7, 8]] = 4.5, [0, 1]
    assert found(y, x) == (["x1"], False)
    # Without a constant those two are rows of zeros, which are on no side.
    x = x[:, 1:] - 4.5
    assert found(y, x) == (["const"], False)  # the first column, by its name
    x[[7, 8]], y[[7, 8]] = 1, 1
    assert found(y, x) == (["const"], True)


@pytest.mark.parametrize("seed", [6, 23, 32, 39])
def test_outliers_hide_no_rare_dummy(seed):
    rng = np.random.default_rng(seed)
    n, size = 20_000, 10.0 ** (10 + seed % 6)
    x = design(*rng.normal(size=(5, n)))
    y = (rng.random(n) < 0.5).astype(float)
    x[rng.choice(n, 4, replace=False), 1] = size * rng.random(4)
    dummy = rng.choice(n, 3, replace=False)
    x[:, 2] = 0
    x[dummy, 2], y[dummy] = 1e-3, 1
    assert found(y, x) == (["x2"], False)
    y[dummy[0]] = 0
    assert found(y, x) is None


def test_columns_far_from_zero_or_with_outliers(rng):
    n = 5000
    time, heavy, z = 1.6e9 + 1e3 * rng.random(n), np.exp(8 * rng.normal(size=n)), rng.normal(size=n)
    x = design(time, heavy, z)
    y = (z + rng.logistic(size=n) > 0).astype(float)
    assert found(y, x) is None
    assert found((time > 1.6e9 + 700).astype(float), x) == (["x1"], True)
    assert found((heavy > 1).astype(float), x) == (["x2"], True)
    # Without its large scale a dummy would be lost beside the outliers.
    x[:, 3] = np.arange(n) < 9
    assert found(np.where(np.arange(n) < 9, 1, y), x) == (["x3"], False)


def test_rows_are_taken_in_blocks_and_never_copied_whole(rng):
    n, p = 200_000, 10
    x = design(*rng.normal(size=(p - 1, n)))
    y = (rng.random(n) < 0.5).astype(float)
    check(y, x, "binary", ["x"] * p)  # imports what it needs
    x[:, 3] = np.arange(n) < 5
    y[:5] = 1
    for order in "CF":
        x = np.asarray(x, order=order)
        tracemalloc.start()
        with pytest.raises(PerfectSeparationError):
            check(y, x, "binary", ["x"] * p)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 0.2 * x.nbytes


def test_overlap_needs_no_walk_over_all_rows(rng, monkeypatch):
    monkeypatch.setattr(module._System, "scan", None)
    x = design(*rng.normal(size=(5, 20_000)))
    assert found((x[:, 1] + rng.logistic(size=len(x)) > 0).astype(int), x) is None
    # With nothing but proportions, no column is too rare.
    x[:, 5] = np.arange(len(x)) == 9999
    assert found(rng.uniform(0.1, 0.9, size=len(x)), x) is None


def test_where_there_is_separation_statsmodels_finds_no_estimates():
    y = np.array([0] * 4 + [1] * 4)
    with pytest.warns(sm.tools.sm_exceptions.PerfectSeparationWarning):
        sm.GLM(y, UCLA_COMPLETE, family=sm.families.Binomial()).fit()


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e7])
def test_the_proof_of_overlap_is_one(shift):
    """Newton's proof never calls overlapping what a linear programme separates."""
    rng = np.random.default_rng(0)
    separated = proven = 0
    for _ in range(300):
        n, p = rng.integers(6, 40), rng.integers(1, 5)
        x = np.column_stack([np.ones(n), rng.integers(-2, 3, (n, p))]).astype(float)
        y = (rng.random(n) < 1 / (1 + np.exp(-3 * x @ rng.normal(size=p + 1)))).astype(float)
        y[rng.random(n) < 0.05] = 0.5  # rows that stand on the boundary
        side = 2 * y - 1
        a, b = x[side != 0] * side[side != 0, None], x[side == 0]
        equal = {"A_eq": b, "b_eq": np.zeros(len(b))} if len(b) else {}
        found = linprog(-a.sum(axis=0), A_ub=-a, b_ub=np.zeros(len(a)), **equal, bounds=(-1, 1))
        is_separated = -found.fun > 1e-9 or np.linalg.matrix_rank(x) < p + 1
        is_proven = module._newton_proves_overlap(side, x + shift * (np.arange(p + 1) > 0))
        assert not (is_separated and is_proven)
        separated += is_separated
        proven += is_proven
    assert separated > 50
    assert proven > 60 or shift == 1e7  # of such columns it is left to the programme


@pytest.mark.parametrize("kind", ["binary", "categorical", "counts"])
def test_an_optimum_proves_overlap_where_there_is_one(kind):
    """The last step of a fit proves it, and never where a linear programme finds separation."""
    family = {"binary": "bernoulli", "counts": "poisson"}.get(kind)
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, p = rng.integers(8, 40), rng.integers(1, 4)
        x = design(*rng.integers(-2, 3, size=(p, n)))
        odds = x @ rng.normal(size=(p + 1, 3)) + rng.gumbel(size=(n, 3))
        y = {
            "binary": odds[:, 0] > odds[:, 1],
            "categorical": odds.argmax(axis=1),
            "counts": rng.poisson(np.exp(np.clip(odds[:, 0] - 3, -9, 2))),
        }[kind].astype(float)
        if np.linalg.matrix_rank(x) <= p or len(np.unique(y)) < 2 + (kind == "categorical"):
            continue
        model = pn.glm.GLM(y, x, pn.families.Categorical(3) if family is None else family)
        likelihood = model.likelihood()
        start = np.zeros(likelihood.size)
        proven = is_proven(likelihood, solve(likelihood, start))
        found.append((proven, brute_force(y, x, kind)[0]))
    assert (True, True) not in found
    assert found.count((True, False)) > max(5, 2 * found.count((False, False)))
    assert found.count((False, True)) > 5


def test_a_fit_of_overlapping_classes_asks_no_more(rng, monkeypatch):
    monkeypatch.setattr(module, "check", None)
    x = design(*rng.normal(size=(3, 500)))
    y = (x[:, 1] + rng.logistic(size=500) > 0).astype(float)
    assert pn.glm.Logit(y, x).fit().converged


@pytest.mark.parametrize("kind", ["binary", "proportion", "categorical", "counts"])
def test_overlap_needs_no_programme(kind, rng, monkeypatch):
    x = design(*rng.normal(size=(4, 150)))
    noise = x[:, 1] + rng.logistic(size=len(x))
    y = {
        "binary": noise > 0,
        "proportion": np.where(rng.random(len(x)) < 0.5, 0.3, noise > 0),
        # Of classes in an order the outer ones may not overlap: those between link them.
        "categorical": np.digitize(x[:, 1] + 0.4 * rng.normal(size=len(x)), [-0.7, 0.7]),
        "counts": rng.poisson(np.exp(x[:, 1])),
    }[kind].astype(float)
    name = "binary" if kind == "proportion" else kind
    assert brute_force(y, x, name) == (False, False)
    monkeypatch.setattr(module, "_System", None)
    assert found(y, x, name) is None


def test_steps_to_infinity_are_soon_ended(rng, monkeypatch):
    calls, evaluate = [], Likelihood.__call__
    monkeypatch.setattr(
        Likelihood, "__call__", lambda self, *args: calls.append(1) or evaluate(self, *args)
    )
    x = design(*rng.normal(size=(3, 500)))
    with pytest.raises(PerfectSeparationError):
        pn.glm.Logit((x[:, 1] > 0).astype(float), x).fit()
    assert len(calls) < 12  # 40 of steps that go on until they gain nothing


def test_steps_that_borrow_a_hessian_leave_no_doubt(rng, monkeypatch):
    """They may gain a steady factor where the responses overlap, too."""

    def fail(*args, **kwargs):
        raise AssertionError("overlap was doubted")

    x, y = rng.normal(size=(4000, 180)), rng.integers(0, 2, 4000).astype(float)
    want = sm.Logit(y, x).fit(disp=0).params
    monkeypatch.setattr(pn.glm.GLM, "_check_overlap", fail)
    monkeypatch.setattr(overlap, "is_doubtful", lambda history: True)
    np.testing.assert_allclose(pn.glm.Logit(y, x).fit().params, want, rtol=1e-7, atol=1e-10)
    with pytest.raises(AssertionError, match="doubted"):
        pn.glm.Logit(y, x[:, :9]).fit()
