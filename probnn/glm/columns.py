"""What each kind of fitted model says, in one form: the columns of `probnn.compare`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from probnn import backend, families
from probnn.data import to_numpy
from probnn.glm import rows
from probnn.glm.formula import to_frame
from probnn.glm.network import Bridge
from probnn.glm.results import Results
from probnn.predictive import Predictive

CONSTANTS = ("const", "Intercept", "intercept", "(Intercept)")


@dataclass
class Column:
    """One model of a comparison.

    Attributes
    ----------
    name : str
        What the comparison calls it.
    family, link : str
        The family, and the link of its location, by the names that `probnn` has for them.
    coef, se : dict
        Name -> estimate, and standard error where there is one.
    size : int
        The number of parameters, a dispersion that is estimated after them left out.
    nobs, llf, scale : float
        As in `Results`; NaN where they are not known, or there is no dispersion.
    divisor, predictive : str
        What the scale of the table, and that of predictions, divides Pearson's chi-squared by:
        "n", "n - p", or "other"; "" if there is no scale, or it is not known.
    y, log_likelihood : numpy.ndarray, shape (n,), or None
        The training responses, and the log-likelihood of each.
    inputs : dict
        Name -> training column (n,).
    log_prob : callable or None
        From rows of x, a frame, and their y, to the log-density of each.
    cov_type, information : str or None
        What standard errors rest on; the information is None where both kinds are one.
    penalty, weights, offset, transformed, stopped : str
        What it is penalised by, and weighted by, what is added to its linear predictor, what its
        inputs went through, why it ended early: "" for nothing.
    dropped : int
        How many rows with missing values it left out.
    maximised, hidden : bool
        Whether llf is the maximum of a likelihood; whether it is a network with hidden layers.
    certificate : Certificate or None
        Of a network whose layers are linear.
    held_out : numpy.ndarray, shape (m,), or None
        The negative log-likelihood of each held-out row.
    """

    name: str
    family: str
    link: str
    coef: dict
    size: int
    nobs: float = np.nan
    se: dict = field(default_factory=dict)
    llf: float = np.nan
    scale: float = np.nan
    divisor: str = ""
    predictive: str = ""
    y: np.ndarray | None = None
    log_likelihood: np.ndarray | None = None
    inputs: dict = field(default_factory=dict)
    log_prob: Callable | None = None
    cov_type: str | None = None
    information: str | None = None
    penalty: str = ""
    weights: str = ""
    transformed: str = ""
    stopped: str = ""
    dropped: int = 0
    offset: str = ""
    maximised: bool = False
    hidden: bool = False
    certificate: object = None
    held_out: np.ndarray | None = None

    @property
    def aic(self):
        """-2 llf + 2 p; not known for a penalised model, whose freedom is less than p."""
        return np.nan if self.penalty else 2.0 * self.size - 2.0 * self.llf

    @property
    def bic(self):
        """-2 llf + log(n) p; not known for a penalised model."""
        return np.nan if self.penalty else np.log(self.nobs) * self.size - 2.0 * self.llf

    @property
    def discrete(self):
        """Whether the log-likelihood is of probabilities, not of densities; None if unknown."""
        known = families.FAMILIES.get(self.family)
        return None if known is None else known.discrete


def read(model, name, table=None, y=None):
    """Return the `Column` of a fitted model.

    Parameters
    ----------
    model : keras.Model, Results, or fitted model of statsmodels or scikit-learn
    name : str
        What the comparison calls it.
    table : pandas.DataFrame, optional
        The training rows, as `to_table` returns them.
    y : array_like, shape (n,), optional
        Their responses.
    """
    from probnn.glm import peers

    if isinstance(model, keras.Model):
        if table is None or y is None:
            raise ValueError(
                f"Expected x= and y=, the training data, to compare the network {name!r}: its "
                "standard errors and its log-likelihood come from them. Received none."
            )
        found = _of_network(model, name, table, y)
    elif isinstance(model, Results):
        found = _of_results(model, name)
    elif type(model).__module__.startswith("statsmodels.") and hasattr(model, "params"):
        found = peers.of_statsmodels(getattr(model, "_results", model), name)
    elif hasattr(model, "get_params") and hasattr(model, "n_features_in_"):
        found = peers.of_estimator(model, name, table, y)
    else:
        raise ValueError(
            "Expected networks, results of probnn.glm, results of statsmodels, or fitted "
            f"estimators of scikit-learn. Received: {type(model).__name__} for {name!r}. Fit it "
            "first, and give what fit() returned."
        )
    return _renamed(found, table)


def to_table(x, what="x"):
    """Return x as a pandas frame, with columns x1, x2, ... where it has no names."""
    import pandas as pd

    if getattr(x, "columns", None) is not None or isinstance(x, dict):
        return to_frame(x)
    x = to_numpy(x)
    if x.ndim != 2:
        raise ValueError(f"Expected {what} of shape (n, p). Received: shape {x.shape}.")
    return pd.DataFrame(x, columns=[f"x{j + 1}" for j in range(x.shape[1])])


def divisor(total, scale, nobs, df_resid):
    """Return which number of rows the scale divides Pearson's chi-squared by, as text."""
    for name, rows_ in (("n", nobs), ("n - p", df_resid)):
        if np.isclose(total, scale * rows_, rtol=1e-6, atol=0.0):
            return name
    return "other"


def weighted(named):
    """Return which weights there are, name -> (n,) or None, as text."""
    given = {n: w for n, w in named.items() if w is not None and np.any(np.asarray(w) != 1.0)}
    return ", ".join(f"{name} (mean {np.mean(values):.4g})" for name, values in given.items())


def shifted(offsets):
    """Return what is added to a linear predictor, arrays (n,) or None, as text."""
    given = [values for values in offsets if values is not None and np.any(values)]
    return f"an offset (mean {np.mean(sum(given)):.4g})" if given else ""


def distribution(family, mean, phi, **known):
    """Return the `Predictive` of a family by its mean and its dispersion."""
    options = {"classes": mean.shape[1]} if np.ndim(mean) == 2 else {}
    family = families.get(family, **options)
    return Predictive(family, {family.location: mean, **family.with_dispersion(phi), **known})


def log_prob(predictive, y, what="y_test"):
    """Return the log-density of y in each row, for y in the support."""
    predictive.family.check(np.asarray(y, dtype="float64"), what)
    return predictive.log_prob(y)


def matrix(names, table):
    """Return the columns of a design (n, p) by name: ones for a constant that x does not have."""
    table = table.set_axis([str(c) for c in table.columns], axis=1)
    given = [c for c in table.columns if c not in CONSTANTS]
    wanted = [name for name in names if name not in CONSTANTS]
    if (_is_default(wanted) or _is_default(given)) and len(given) == len(wanted):
        table = table.rename(columns=dict(zip(given, wanted, strict=True)))
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(
            f"Expected x_test with the columns {wanted}. Received: {list(table.columns)}, without "
            f"{missing}."
        )
    one = np.ones(len(table))
    return np.column_stack([table.get(name, one) for name in names])


def _is_default(names):
    return names == [f"x{j + 1}" for j in range(len(names))]


def _renamed(column, table):
    """Call constants "const", and columns without names what the columns of x are called."""
    change = dict.fromkeys(CONSTANTS, "const")
    if table is not None:
        given = [str(c) for c in table.columns if c not in CONSTANTS]
        wanted = [name for name in column.inputs if name not in CONSTANTS]
        if _is_default(wanted) and len(given) == len(wanted):
            change |= dict(zip(wanted, given, strict=True))

    def rename(named):
        return {_rename(name, change): value for name, value in named.items()}

    coef, se, inputs = rename(column.coef), rename(column.se), rename(column.inputs)
    return replace(column, coef=coef, se=se, inputs=inputs)


def _rename(name, change):
    """Change the part of a name that is a column's: of "x1", "x1 [2]" and "scale: x1"."""
    prefix, column, suffix = re.fullmatch(r"(\w+: )?(.*?)( \[\d+\])?", name, re.DOTALL).groups("")
    return prefix + change.get(column, column) + suffix


# ---- this package -------------------------------------------------------------------------------


def _of_results(results, name):
    model, family = results.model, results.family
    data, dispersed = model.data, model.dispersion is not None
    se, penalty = {}, ""
    if results.penalty is not None and np.any(results.penalty["alpha"]):
        penalty = ", ".join(f"{key}={value}" for key, value in results.penalty.items())
    elif results.method == "firth":
        penalty = "Firth"
    if results.penalty is None:
        se = _standard_errors(results)
    found = Column(
        name=name,
        family=family.name,
        link=family.links[family.location].name,
        coef=dict(zip(model.parameter_names, results._natural[0], strict=True)),
        se=se,
        size=len(results.coef),
        nobs=results.nobs,
        llf=results.llf,
        scale=results.scale if dispersed else np.nan,
        cov_type=results.cov_type if se else None,
        information=None if family.is_canonical else results.information,
        penalty=penalty,
        dropped=model.n_missing,
        stopped="" if results.converged else "Newton's method ended before the optimum",
        maximised=not (dispersed and not model.is_linear),
    )
    if data is None:
        return found
    if dispersed:
        found.divisor = divisor(results.pearson_chi2, results.scale, results.nobs, results.df_resid)
    phi = (results.scale_ml if model.is_linear else results.scale) if dispersed else None
    given = {n: getattr(data, n) for n in ("freq_weights", "var_weights")}
    each = rows.log_likelihood(family, data, results._raw, phi)

    def held_out(table, y):
        if model.formula is not None:
            return log_prob(results.predict_distribution(table), y)
        designs = {key: matrix(names, table) for key, names in model.modelled.items()}
        x = matrix(model.x_names, table)
        return log_prob(results.predict_distribution(x, designs=designs or None), y)

    return replace(
        found,
        nobs=model.nobs,
        predictive=found.divisor,
        y=data.y,
        log_likelihood=each if data.freq_weights is None else None,
        inputs=dict(zip(model.x_names, model.X.T, strict=True)),
        weights=weighted(given),
        offset=shifted([*data.offsets.values()][:1]),
        log_prob=held_out,
    )


def _standard_errors(results):
    """Return name -> standard error: none where the information is not positive definite."""
    try:
        se = np.sqrt(np.diag(results._cov))
    except ValueError:
        return {}
    return dict(zip(results.model.parameter_names, se, strict=True))


# ---- networks -----------------------------------------------------------------------------------


def _of_network(model, name, table, y):
    bridge = Bridge(model, table, y)
    head = bridge.head
    penalised = [layer for layer in model.layers if getattr(layer, "kernel_regularizer", None)]
    penalty = ", ".join(f"kernel_regularizer of {layer.name}" for layer in penalised)

    def predict(table):
        with backend.many_programs():
            raw = keras.Model.predict(model, to_numpy(table), verbose=0)
        return Predictive(head.family, head.to_params(np.asarray(raw, dtype="float64")))

    own = {
        "log_prob": lambda table, y: log_prob(predict(table), y),
        "penalty": penalty,
        "stopped": "",
    }
    dispersed = [p for p in head.family.with_dispersion(1.0) if p in head.constant_names]
    if not bridge.is_conditional:
        coef = bridge.coef()
        certificate = bridge.certify(coef)
        found = _of_results(bridge.results(coef, certificate, {}), name)
        # Its own scale predicts: at the optimum, the maximum-likelihood one.
        predictive = "n" if dispersed and certificate.converged else ""
        return replace(found, certificate=certificate, predictive=predictive, **own)
    predictive = predict(table)
    each = log_prob(predictive, bridge.glm.y, "y")
    scale = np.nan
    if dispersed:  # the variance over that at dispersion 1
        first = {key: values[:1] for key, values in predictive.params.items()}
        unit = Predictive(head.family, first | head.family.with_dispersion(1.0))
        scale = float(predictive[0].variance()[0] / unit.variance()[0])
    return Column(
        name=name,
        family=head.family.name,
        link=head.family.links[head.family.location].name,
        coef={},
        size=sum(int(np.prod(w.shape)) for w in model.trainable_variables) - len(dispersed),
        nobs=len(table),
        llf=float(each.sum()),
        scale=scale,
        y=bridge.glm.y,
        log_likelihood=each,
        hidden=True,
        **own,
    )


def one_neuron(model, name, table, y):
    """Return the `Column` of the network without its hidden layers, at its optimum."""
    from probnn.heads import Head
    from probnn.models import Sequential

    head = Bridge(model, table, y).head
    config = {**head.get_config(), "kernel_regularizer": None}
    neuron = Sequential([keras.Input((table.shape[1],)), Head.from_config(config)])
    return _renamed(_of_results(Bridge(neuron, table, y).glm.fit(verbose=False), name), table)
