"""Least squares, against exact rational arithmetic and NIST's certified values."""

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from probnn.fitting import least_squares as module
from probnn.fitting.least_squares import lstsq


def exact(x, y):
    """Solve the normal equations in rational arithmetic: nothing is rounded but the answer."""
    rows = [[Fraction(float(v)) for v in row] for row in x]
    y = [Fraction(float(v)) for v in y]
    p = len(rows[0])
    system = [
        [sum(row[i] * row[j] for row in rows) for j in range(p)]
        + [sum(row[i] * v for row, v in zip(rows, y, strict=True))]
        + [Fraction(int(i == j)) for j in range(p)]
        for i in range(p)
    ]
    for i in range(p):
        pivot = next(k for k in range(i, p) if system[k][i] != 0)
        system[i], system[pivot] = system[pivot], system[i]
        system[i] = [v / system[i][i] for v in system[i]]
        for k in range(p):
            if k != i:
                system[k] = [
                    a - system[k][i] * b for a, b in zip(system[k], system[i], strict=True)
                ]
    coef = [row[p] for row in system]
    fitted = [sum(c * v for c, v in zip(coef, row, strict=True)) for row in rows]
    ssr = sum((a - b) ** 2 for a, b in zip(y, fitted, strict=True))
    inverse = [[float(v) for v in row[p + 1 :]] for row in system]
    return np.array([float(c) for c in coef]), float(ssr), np.array(inverse)


def longley():
    data = sm.datasets.longley.load_pandas()
    return sm.add_constant(data.exog).to_numpy(float), data.endog.to_numpy(float)


def polynomial():
    """Return powers of x up to 7 on an interval far from 0: a condition number of 1e16."""
    x = np.linspace(9, 12, 40)
    return x[:, None] ** np.arange(8), np.cos(x)


def well():
    """Return columns far from dependent, in units far apart, and a response with little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) * [1.0, 1e6, 1e-4, 30.0]
    return x, x @ [1.0, 1e-6, 1e4, -1 / 30] + 1e-5 * rng.normal(size=60)


def noisy():
    """Return columns far from dependent, and a response that is mostly noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) + 1.0
    return x, x @ [1.0, -1.0, 0.5, 2.0] + 3.0 * rng.normal(size=60)


@pytest.mark.parametrize("problem", [longley, well, noisy])
def test_of_many_rows_equals_exact_arithmetic(problem, monkeypatch):
    x, y = problem()
    coef, ssr, inverse = exact(x, y)
    monkeypatch.setattr(module, "_EXACT", 0)
    fit = lstsq(x, y)
    np.testing.assert_allclose(fit.coef, coef, rtol=4e-16)
    np.testing.assert_allclose(fit.ssr, ssr, rtol=1e-14)
    np.testing.assert_allclose(np.diag(fit.normalized_cov), np.diag(inverse), rtol=1e-8)
    assert (np.linalg.cond(x / np.sqrt((x**2).sum(axis=0))) < 30) == (problem is not longley)


@pytest.mark.parametrize(("problem", "rtol"), [(longley, 4e-16), (polynomial, 1e-12)])
def test_equals_exact_arithmetic(problem, rtol):
    x, y = problem()
    coef, ssr, inverse = exact(x, y)
    fit = lstsq(x, y)
    np.testing.assert_allclose(fit.coef, coef, rtol=rtol)
    np.testing.assert_allclose(fit.ssr, ssr, rtol=max(rtol, 1e-14))
    # The inverse is not refined: it has the digits that the condition of the scaled columns leaves.
    np.testing.assert_allclose(np.diag(fit.normalized_cov), np.diag(inverse), rtol=1e-5)
    # No method in double precision alone comes near.
    assert np.abs(np.linalg.lstsq(x, y, rcond=None)[0] / coef - 1).max() > 100 * rtol


def test_residuals_and_condition_number():
    x, y = longley()
    fit = lstsq(x, y)
    np.testing.assert_allclose(fit.residuals, sm.OLS(y, x).fit().resid, rtol=1e-6)
    np.testing.assert_allclose(fit.condition_number, np.linalg.cond(x), rtol=1e-6)


def test_rows_are_taken_in_blocks(monkeypatch, rng):
    x = rng.normal(size=(500, 4))
    y = x.sum(axis=1) + 0.01 * rng.normal(size=500)
    whole = lstsq(x, y).coef
    monkeypatch.setattr(module, "_NUMBERS", 256)
    np.testing.assert_allclose(lstsq(x, y).coef, whole, rtol=1e-15)


def test_nist_sets_have_more_digits_than_from_any_peer(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    nist = importlib.import_module("nist")
    rows = nist.table()
    if not rows:
        pytest.skip(f"no sets in {nist.DATA}: set PROBNN_DATA to the folder that has nist/")
    for name, found in rows:
        coef, se = found["probnn"]
        assert coef >= 13, name
        assert se >= 12.5, name
    # The rounding of some processor makes a peer lucky on a set, and of none on all.
    for peer in rows[0][1].keys() - {"probnn"}:
        coef, se = zip(*(found[peer] for _, found in rows), strict=True)
        assert min(coef) < 12, peer
        assert None in se or min(se) < 12, peer


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros(4), r"\(3, 2\) and \(4,\)"),
        (np.zeros((2, 3)), np.zeros(2), "2 rows and 3 columns"),
        (np.full((3, 1), np.nan), np.zeros(3), "finite"),
        (np.column_stack([np.ones(5), np.zeros(5)]), np.arange(5.0), "column 1"),
        (np.column_stack([np.ones(5), np.full(5, 3.0)]), np.arange(5.0), "linearly independent"),
    ],
)
def test_bad_problems_get_a_clear_error(x, y, message):
    with pytest.raises(ValueError, match=message):
        lstsq(x, y)
