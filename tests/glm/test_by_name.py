"""What is given of each coefficient goes by its name."""

import numpy as np
import pandas as pd
import pytest
from tables.glms import data

import probnn as pn
from probnn.glm import GLM, Logit

Y, X = data("spector")
MODEL = Logit(Y, X)
NAMES = [*X.columns]
TURNED = NAMES[::-1]


def test_penalties_go_by_name():
    alpha = pd.Series([0.3, 0.0, 0.1, 0.05], NAMES)
    want = MODEL.fit_regularized(alpha.to_numpy(), 0.3)
    for given in (alpha[TURNED], alpha[TURNED].to_dict(), alpha[TURNED].to_frame(), [*alpha]):
        found = MODEL.fit_regularized(given, 0.3)
        pd.testing.assert_series_equal(found.params, want.params, rtol=1e-9)
        np.testing.assert_array_equal(found.penalty["alpha"], alpha)
    by_position = MODEL.fit_regularized(alpha[TURNED].to_numpy(), 0.3)
    assert np.abs(by_position.params - want.params).max() > 0.01


def test_starts_go_by_name():
    best = MODEL.fit().params
    found = MODEL.fit(start_params=best[TURNED])
    assert len(found.fit_history["nll"]) == len(MODEL.fit(start_params=best).fit_history["nll"])
    assert len(found.fit_history["nll"]) < len(MODEL.fit().fit_history["nll"])
    y = pd.Series(np.arange(len(X)) % 3)
    classes = GLM(y, X[NAMES[:2]], pn.families.Categorical(classes=3))
    best = classes.fit().params
    short = len(classes.fit(start_params=best).fit_history["nll"])
    for start in (best.iloc[::-1, ::-1], best.to_numpy(), best.to_numpy().ravel("F")):
        assert len(classes.fit(start_params=start).fit_history["nll"]) == short
    assert len(classes.fit().fit_history["nll"]) > short


@pytest.mark.parametrize("test", ["t_test", "wald_test", "f_test"])
def test_hypotheses_go_by_name(test):
    results = MODEL.fit()
    matrix = pd.DataFrame([[1.0, -1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 1.0]], columns=NAMES)
    ask = getattr(results, test)
    want = ask(matrix.to_numpy())
    for given in (matrix[TURNED], (matrix[TURNED], [0.0, 0.0])):
        np.testing.assert_allclose(ask(given).pvalue, want.pvalue, rtol=1e-9)
    one = matrix.iloc[0]
    text = ask(f"{NAMES[0]} - {NAMES[1]} = 0").pvalue
    np.testing.assert_allclose(ask(one[TURNED]).pvalue, text, rtol=1e-9)
    np.testing.assert_allclose(ask(one.to_numpy()).pvalue, text, rtol=1e-9)
    with pytest.raises(ValueError, match=r"r_matrix by the names.*'other', which is none"):
        ask(matrix.assign(other=0.0))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["const", "x", *NAMES[1:3]], f"none for .*'{NAMES[3]}'.*'x', which is none"),
        ([0, 1, 2, 3], "'0', '1', '2', '3', which is none.*to_numpy"),
        ([NAMES[0], *NAMES[:3]], "more than once"),
        (NAMES[:3], f"none for '{NAMES[3]}'"),
    ],
)
def test_other_names_raise(names, message):
    given = pd.Series(np.ones(len(names)), names)
    for fit in (
        lambda: MODEL.fit_regularized(given),
        lambda: MODEL.fit(start_params=given),
        lambda: MODEL.fit().t_test(given),
    ):
        with pytest.raises(ValueError, match=message):
            fit()


def test_series_of_an_array_model_go_by_the_names_that_its_summary_has():
    model = GLM(Y.to_numpy(), X.to_numpy(), "bernoulli")
    alpha = pd.Series(np.arange(4.0), model.parameter_names)
    found = model.fit_regularized(alpha[::-1]).params
    np.testing.assert_allclose(found, model.fit_regularized(np.arange(4.0)).params, rtol=1e-9)
