"""Conformal predictors of other packages around ours: their widths, and the coverage they promise.

Of n calibration rows and m new ones that are exchangeable, the number that a split conformal set
covers is beta-binomial of m, k and n + 1 - k, with k = ceil((n + 1) level): Vovk (2012).
"""

import numpy as np
import pytest
from scipy.stats import betabinom

from probnn.estimators import GLMClassifier, GLMRegressor

LEVEL, CALIBRATION, NEW = 0.9, 400, 2000


@pytest.fixture
def parts(rng):
    n = 200 + CALIBRATION + NEW
    x = rng.normal(size=(n, 2))
    mean = np.exp(0.5 + x @ [0.4, -0.3])
    y = rng.gamma(3.0, mean / 3.0)
    kind = np.array(["low", "mid", "high"])[np.digitize(y, [1.0, 2.5])]
    return [
        (x[rows], y[rows], kind[rows]) for rows in np.split(np.arange(n), [200, 200 + CALIBRATION])
    ]


def assert_covered(covered):
    k = int(np.ceil((CALIBRATION + 1) * LEVEL))
    low, high = betabinom(NEW, k, CALIBRATION + 1 - k).ppf([0.0005, 0.9995])
    assert low <= covered.sum() <= high


def width(model, x, y):
    """Return the half-width of split conformal intervals: an order statistic of residuals."""
    k = int(np.ceil((CALIBRATION + 1) * LEVEL))
    return np.sort(np.abs(y - model.predict(x)))[k - 1]


def test_mapie(parts):
    regression = pytest.importorskip("mapie.regression")
    classification = pytest.importorskip("mapie.classification")
    (x, y, kind), (x_held, y_held, kind_held), (x_new, y_new, kind_new) = parts
    model = GLMRegressor("gamma", "log").fit(x, y)
    conformal = regression.SplitConformalRegressor(model, confidence_level=LEVEL, prefit=True)
    conformal.conformalize(x_held, y_held)
    mean, ends = conformal.predict_interval(x_new)
    want = width(model, x_held, y_held)
    np.testing.assert_allclose(mean, model.predict(x_new), rtol=1e-12)
    np.testing.assert_allclose(ends[:, 1, 0] - mean, want, rtol=1e-9)
    assert_covered((ends[:, 0, 0] <= y_new) & (y_new <= ends[:, 1, 0]))
    classifier = GLMClassifier().fit(x, kind)
    conformal = classification.SplitConformalClassifier(
        classifier, confidence_level=LEVEL, prefit=True
    )
    conformal.conformalize(x_held, kind_held)
    _, sets = conformal.predict_set(x_new)
    codes = np.searchsorted(classifier.classes_, kind_new)
    assert_covered(sets[np.arange(NEW), codes, 0])


def test_crepes(parts):
    crepes = pytest.importorskip("crepes")
    (x, y, kind), (x_held, y_held, kind_held), (x_new, y_new, kind_new) = parts
    model = GLMRegressor("gamma", "log")
    conformal = crepes.WrapRegressor(model)
    conformal.fit(x, y)
    conformal.calibrate(x_held, y_held)
    ends = conformal.predict_int(x_new, confidence=LEVEL)
    want = width(model, x_held, y_held)
    np.testing.assert_allclose(np.diff(ends)[:, 0], 2.0 * want, rtol=1e-9)
    assert_covered((ends[:, 0] <= y_new) & (y_new <= ends[:, 1]))
    conformal = crepes.WrapClassifier(GLMClassifier())
    conformal.fit(x, kind)
    conformal.calibrate(x_held, kind_held)
    sets = conformal.predict_set(x_new, confidence=LEVEL, smoothing=False)
    assert_covered(np.array([one in found for one, found in zip(kind_new, sets, strict=True)]))
