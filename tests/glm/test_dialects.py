"""Formulas of R: the error says what to write here, and that gives R's model."""

import re

import numpy as np
import pandas as pd
import pytest

import probnn as pn

DATA = pd.DataFrame(
    {
        "y": [1.0, 3, 2, 5, 4, 6],
        "x": [1.0, 2, 3, 4, 5, 7],
        "g": list("aabbcc"),
        "t": [1.0, 2, 1, 2, 1, 2],
        "won": [1, 2, 1, 0, 1, 1],
        "lost": [3, 2, 1, 1, 2, 2],
    }
)


@pytest.mark.parametrize(
    ("formula", "instead"),
    [
        ("y ~ x | t", "'y ~ x', formulas={'scale': '~ t'}"),
        ("y ~ I(x) + t | x + t", "'y ~ I(x) + t', formulas={'scale': '~ x + t'}"),
        ("y ~ x + (1|g)", "C(g)"),
        ("y ~ x + (1 + x || g)", "C(g)"),
        ("y ~ .", "'y ~ x + g + t + won + lost'"),
        ("cbind(won, lost) ~ x", "'won + lost ~ x'"),
        ("y ~ x + offset(log(t))", "exposure='t'"),
        ("y ~ x + offset(np.log(t))", "exposure='t'"),
        ("y ~ x + offset(t)", "offset='t'"),
        ("y ~ I(x^2)", "I(x**2)"),
        ("y ~ factor(g) + x", "C(g)"),
        ("y ~ as.factor(g)", "C(g)"),
        ("y ~ s(x, k=4)", "bs(x, df=5)"),
    ],
)
def test_error_says_what_to_write(formula, instead):
    with pytest.raises(ValueError, match=re.escape(instead)):
        pn.glm.glm(formula, DATA, "normal")


def test_no_hint_where_nothing_is_known():
    with pytest.raises(ValueError, match="Unable to evaluate factor `height`") as raised:
        pn.glm.ols("y ~ height", DATA)
    assert str(raised.value).endswith("]."), "formulaic's own words, and no more"


def test_what_is_suggested_is_the_model_meant():
    """R's glm(cbind(won, lost) ~ x, binomial)."""
    a = pn.glm.logit("won + lost ~ x", DATA).fit().params
    b = pn.glm.Logit(DATA[["won", "lost"]], DATA[["x"]].assign(Intercept=1.0)).fit().params
    np.testing.assert_allclose(a, b[a.index], rtol=1e-9)
