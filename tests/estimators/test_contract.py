"""scikit-learn's own checks of its contract, all of them, without an expected failure."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from probnn.estimators import GLMClassifier, GLMRegressor, NetworkClassifier, NetworkRegressor

GLMS = [GLMRegressor(), GLMClassifier()]
SMALL = {"hidden": (8,), "learning_rate": 0.03, "epochs": 30, "members": 1}
NETWORKS = [NetworkRegressor("normal", **SMALL), NetworkClassifier(**SMALL)]


def checks(estimators):
    return [*_checks(estimators)]


def _checks(estimators):
    for estimator in estimators:
        for each, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            options = "-".join(map(str, getattr(check, "keywords", {}).values()))
            yield pytest.param(each, check, id=f"{type(each).__name__}-{name}-{options}")


@pytest.mark.filterwarnings("ignore")  # what undetermined data make them say
@pytest.mark.parametrize(("estimator", "check"), checks(GLMS))
def test_glm(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), checks(NETWORKS))
def test_network(estimator, check):
    check(estimator)
