"""Posteriors: effective draws a second beside bambi's, and whether ranks of the truth are uniform.

    python tests/benchmarks/bayes.py [--calibrate [SETS]]

bambi samples by nutpie too, where it is installed: pip install bambi numba. Each row is a median of
runs in this process, after one that compiles; `min` is over coefficients. With --calibrate,
simulation-based calibration: coefficients from the prior, y from them, and the rank of each
coefficient among 99 draws of its posterior, which is uniform if all is right. Talts et al. (2018),
arXiv:1804.06788.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

import probnn as pn
from probnn.bayes import Priors, priors, sample

FAMILIES = ["bernoulli", "poisson", "normal", "gamma", "negative_binomial", "beta", "student_t"]


def cases():
    """Yield a name, a formula, a family and the data."""
    fair = sm.datasets.fair.load_pandas().data
    yield "logistic 6,366 x 9", "affair ~ ", "bernoulli", _response(fair, "affairs", "affair", True)
    visits = sm.datasets.randhie.load_pandas().data.iloc[:4038]
    yield "poisson 4,038 x 10", "visits ~ ", "poisson", _response(visits, "mdvis", "visits")
    name = "negative binomial 4,038 x 10"
    yield name, "visits ~ ", "negative_binomial", _response(visits, "mdvis", "visits")


def _response(data, column, name, positive=False):
    y = data[column]
    x = data.drop(columns=column)
    x = (x - x.mean()) / x.std()
    return x.assign(**{name: (y > 0).astype(float) if positive else y})


def ours(formula, family, data):
    """Return the smallest effective number of draws, and the seconds it took."""
    start = time.perf_counter(), time.process_time()
    posterior = sample(pn.glm.glm(formula, data, family=family), verbose=False)
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    gradients = posterior.stats["n_steps"].mean()
    return posterior.ess_bulk.min(), *spent, gradients


def bambis(formula, family, data):
    """Return the same of bambi by nutpie."""
    import arviz as az
    import bambi as bmb

    name = {"negative_binomial": "negativebinomial"}.get(family, family)
    model = bmb.Model(formula, data, family=name)
    model.build()
    start = time.perf_counter(), time.process_time()
    found = model.fit(
        draws=1000, tune=500, chains=4, random_seed=0, inference_method="nutpie", progress_bar=False
    )
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    least = min(float(values.min()) for values in az.ess(found).data_vars.values())
    return least, *spent, float(found.sample_stats["n_steps"].mean())


def speed(repeats=3):
    """Print the rows."""
    peers = {"ours": ours}
    try:
        import bambi  # noqa: F401

        peers["bambi"] = bambis
    except ImportError:
        print("bambi is not installed: no peer")
    print(f"{'':30}{'':8}min ESS     s  CPU s  ESS/s  gradients a draw")
    for name, formula, family, data in cases():
        formula += " + ".join(c for c in data if not formula.startswith(c))
        rates = {}
        for peer, run in peers.items():
            run(formula, family, data)
            found = np.median([run(formula, family, data) for _ in range(repeats)], axis=0)
            rates[peer] = found[0] / found[1]
            told = "{:8.0f}{:7.2f}{:7.2f}{:7.0f}{:8.1f}".format(*found[:3], rates[peer], found[3])
            print(f"{name:30}{peer:8}{told}", flush=True)
        if len(rates) > 1:
            print(f"{'':38}ratio {rates['ours'] / rates['bambi']:.1f}")


def calibrate(sets):
    """Print, for each family and coefficient, the p-value of uniform ranks."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"])
    x -= x.mean()
    x.insert(0, "const", 1.0)
    for family in FAMILIES:
        given = {"*": priors.Normal(0.0, 0.5), "df": priors.Gamma(8.0, 1.0)}
        positive = [p for p in pn.families.get(family).params if p not in ("loc", "df")]
        given |= dict.fromkeys(positive[-1:], priors.Gamma(6.0, 2.0))
        options = {"link": "log"} if family == "gamma" else {}
        y0 = np.full(50, 0.5) if family == "beta" else np.tile([0.0, 1.0], 25) + (family == "gamma")
        first = pn.glm.GLM(y0, x, family, **options).with_free_dispersion()
        given = {k: v for k, v in given.items() if k == "*" or k in first.parameter_names}
        prior, likelihood, ranks = Priors(first, given), first.likelihood(), []
        for seed in range(sets):
            truth = prior.draw(rng, 1)[0]
            d = pn.Predictive(first.family, first.family.to_params(likelihood.raw(truth)))
            model = pn.glm.GLM(d.sample(1, rng)[0], x, family, **options)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = sample(model, priors=given, draws=495, tune=300, chains=1, seed=seed)
            ranks.append((found.coef[0, ::5] < truth).sum(axis=0))
        counts = [np.bincount(np.array(r) // 10, minlength=10) for r in np.transpose(ranks)]
        each = [f"{stats.chisquare(c).pvalue:.3f}" for c in counts]
        print(f"{family:20}{'  '.join(map('{}: {}'.format, first.parameter_names, each))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calibrate", nargs="?", const=200, type=int, metavar="SETS")
    options = parser.parse_args()
    speed() if options.calibrate is None else calibrate(options.calibrate)
