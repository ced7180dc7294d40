"""Draws by the sampler, against posteriors that are known, and references of Stan."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import probnn as pn
from probnn.bayes import priors, sample

REFERENCES = json.loads((Path(__file__).parents[1] / "references/posteriordb.json").read_text())


def stan_model(name):
    """Return a model of posteriordb, its priors, and what Stan's draws say in our order."""
    found = REFERENCES[name]
    data = pd.DataFrame({k: v for k, v in found["data"].items() if isinstance(v, list)})
    if name == "kidiq":
        model = pn.glm.glm("kid_score ~ mom_hs + mom_iq", data)
        scale = priors.HalfStudentT(1.0, 2.5)
    else:
        logs = [f"log({c})" for c in ("diam1", "diam2", "canopy_height", "total_height", "density")]
        model = pn.glm.glm(f"log(weight) ~ {' + '.join(logs)} + group", data)
        scale = priors.Flat()
    return model, {"*": priors.Flat(), "scale": scale}, found


@pytest.mark.parametrize("name", ["kidiq", pytest.param("mesquite", marks=pytest.mark.slow)])
def test_draws_are_those_of_stan(name):
    model, given, stan = stan_model(name)
    posterior = sample(model, priors=given, draws=2_000, seed=1)
    assert posterior.coef.shape == (4, 2_000, len(stan["mean"]))
    assert posterior.problems() == []
    mean, sd = (np.array([*stan[what].values()]) for what in ("mean", "sd"))
    error = sd / np.sqrt(np.minimum(posterior.ess_bulk, stan["draws"])) * np.sqrt(2.0)
    assert (np.abs(posterior.mean - mean) < 4.0 * error).all()
    np.testing.assert_allclose(posterior.sd, sd, rtol=0.06)
    ends = np.array([*stan["90%"].values()])
    np.testing.assert_allclose((posterior.interval(0.9) - ends) / sd[:, None], 0.0, atol=0.15)


def test_a_conjugate_normal_model_is_the_exact_one():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    x[:, 1:] -= x[:, 1:].mean(axis=0)  # a constant's prior is then of itself
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=40)
    model = pn.glm.GLM(y, x, "normal", fixed={"scale": 1.0})
    posterior = sample(model, priors={"*": priors.Normal(0.0, 2.0)}, draws=2_000, chains=2, seed=3)
    covariance = np.linalg.inv(x.T @ x + np.eye(3) / 4.0)
    error = np.sqrt(np.diag(covariance) / posterior.ess_bulk)
    assert (np.abs(posterior.mean - covariance @ x.T @ y) < 4.0 * error).all()
    np.testing.assert_allclose(posterior.covariance(), covariance, atol=0.1 * covariance.max())
    d = posterior.predict_distribution(x[:3], draws=4_000)
    right = np.einsum("ni,ij,nj->n", x[:3], covariance, x[:3])
    np.testing.assert_allclose(d.epistemic_variance(), right, rtol=0.1)
    np.testing.assert_allclose(d.aleatoric_variance(), 1.0, rtol=1e-12)
    frame = posterior.to_frame()
    assert frame.columns.tolist() == ["chain", "draw", "const", "x1", "x2"]
    assert len(frame) == 4_000
