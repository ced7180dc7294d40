"""Probabilities of classes: the default network, gradient boosting and logistic regression.

Data sets are those that ship with scikit-learn and statsmodels; scores are of the held-out rows of
a five-fold stratified cross-validation, the same folds for all.
"""

import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn import datasets
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import probnn as pn
from probnn.estimators import NetworkClassifier

METHODS = {
    "logistic regression": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "gradient boosting": lambda: GradientBoostingClassifier(random_state=0),
    "histogram gradient boosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "NetworkClassifier()": lambda: NetworkClassifier(random_state=0),
}


def affairs():
    """Return whether women had an affair, of statsmodels' `fair`."""
    frame = sm.datasets.fair.load_pandas().data
    return frame.drop(columns="affairs").to_numpy(), (frame["affairs"] > 0.0).to_numpy(int)


def votes():
    """Return whom people voted for in 1996, of statsmodels' `anes96`."""
    frame = sm.datasets.anes96.load_pandas().data
    return frame.drop(columns="vote").to_numpy(), frame["vote"].to_numpy(int)


SETS = {
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "affairs": affairs,
    "votes": votes,
}


def scores(probs, y):
    """Return the scores of held-out rows."""
    d = (
        pn.Predictive("bernoulli", {"probs": probs[:, 1]})
        if probs.shape[1] == 2
        else pn.Predictive(pn.families.Categorical(probs.shape[1]), {"probs": probs})
    )
    return {
        "log score": np.mean(pn.scores.log_score(y, d)),
        "Brier": np.mean(pn.scores.brier(y, d)),
        "ECE": pn.calibration.expected_calibration_error(y, d),
        "wrong %": 100.0 * np.mean(probs.argmax(axis=1) != y),
    }


def of_set(name, folds):
    """Return a frame of texts, a row for each method, of a set."""
    x, y = SETS[name]()
    y = np.unique(y, return_inverse=True)[1]
    found = {method: [] for method in METHODS}
    for train, test in [*StratifiedKFold(5, shuffle=True, random_state=0).split(x, y)][:folds]:
        for method, make in METHODS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = make().fit(x[train], y[train])
            found[method].append(scores(model.predict_proba(x[test]), y[test]))
    frame = {}
    for method, each in found.items():
        each = pd.DataFrame(each)
        mean, error = each.mean(), each.sem().fillna(0.0)
        frame[method] = {c: f"{mean[c]:.3f} ± {error[c]:.3f}" for c in each}
        print(f"{name}, {method}: {frame[method]}", flush=True)
    return pd.DataFrame.from_dict(frame, orient="index")
