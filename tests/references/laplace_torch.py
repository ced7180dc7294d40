"""Writes laplace_torch.json: what laplace-torch says of two small networks at given weights.

pip install laplace-torch; python tests/references/laplace_torch.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import laplace
import numpy as np
import torch
from laplace.curvature.curvlinops import CurvlinopsGGN

PRECISION, NOISE = 1.5, 0.7
rng = np.random.default_rng(11)
x, new = rng.normal(size=(30, 2)), 2.0 * rng.normal(size=(4, 2))
weights = [0.8 * rng.normal(size=shape) for shape in ((2, 3), (3,))]
data = {"x": x, "new": new, "precision": PRECISION, "noise": NOISE}
found = {"versions": {name: version(name) for name in ("laplace-torch", "torch")}}
found["data"] = {name: np.asarray(value).tolist() for name, value in data.items()}


class Network(torch.nn.Module):
    """Two layers; of classes the first has the log-odds 0."""

    def __init__(self, outputs, classes):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(2, 3), torch.nn.Linear(3, outputs)
        self.classes = classes

    def forward(self, x):
        raw = self.out(torch.tanh(self.hidden(x)))
        return torch.cat([0.0 * raw[:, :1], raw], dim=1) if self.classes else raw


torch.set_default_dtype(torch.float64)
for likelihood, outputs in (("regression", 1), ("classification", 2)):
    is_regression = likelihood == "regression"
    of_head = [0.8 * rng.normal(size=shape) for shape in ((3, outputs), (outputs,))]
    network = Network(outputs, not is_regression)
    for parameter, value in zip(network.parameters(), [*weights, *of_head], strict=True):
        parameter.data = torch.as_tensor(value.T.copy())
    y = rng.normal(size=30) if is_regression else rng.integers(3, size=30)
    target = torch.as_tensor(y[:, None] if is_regression else y)
    rows = torch.utils.data.TensorDataset(torch.as_tensor(x), target)
    loader = torch.utils.data.DataLoader(rows, batch_size=30)
    told = {"y": y.tolist(), "weights": [w.tolist() for w in [*weights, *of_head]]}
    for structure in ("full", "diag", "kron"):
        options = {"sigma_noise": NOISE} if is_regression else {}
        posterior = laplace.Laplace(
            network,
            likelihood,
            subset_of_weights="all",
            hessian_structure=structure,
            prior_precision=PRECISION,
            backend=CurvlinopsGGN,
            **options,
        )
        posterior.fit(loader)
        mean, variance = posterior._glm_predictive_distribution(torch.as_tensor(new))
        told[structure] = {
            "log_marginal_likelihood": float(posterior.log_marginal_likelihood().detach()),
            "raw_variance": variance.detach().tolist(),
        }
    found[likelihood] = told

text = json.dumps(found, indent=1)
Path(__file__).with_suffix(".json").write_text(text + "\n")
