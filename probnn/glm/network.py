"""The bridge between networks and models: a head on features is a generalized linear model."""

import warnings
from dataclasses import dataclass

import keras
import numpy as np

from probnn import backend, data
from probnn.data.frames import index_of, name_of, names_of
from probnn.data.tables import is_labelled, read_column
from probnn.fitting.curvature import Curvature
from probnn.fitting.optimum import ConvergenceWarning, Optimum
from probnn.fitting.separation import PerfectSeparationError
from probnn.fitting.solve import solve
from probnn.glm.linear import OLS, Logit
from probnn.glm.model import GLM
from probnn.glm.specification import Origin
from probnn.networks.affine import collapse
from probnn.networks.coefficients import absorbed, flat
from probnn.networks.graph import split
from probnn.networks.layers import is_penalised

_NEAR = 0.01  # standard errors from the optimum that no reader of a table would see
_NO_OPTIMUM = (
    "Newton's method found no optimum in {} iterations. Raise maxiter; or the likelihood grows "
    "without bound, as where a scale can follow single rows: make it constant, or use fewer "
    "features."
)


def inference(model, x, y, *, sample_weight=None, **kwargs):
    """Return the statistician's results at the weights of a trained network.

    Parameters
    ----------
    model : keras.Model
        A network that ends in one `Head` with units=1. Layers before it that are linear (Dense
        without activation, Normalization, Rescaling, BatchNormalization) are collapsed with it, so
        that the coefficients are in the units of x. With other hidden layers, the results are
        those of the last layer, conditional on its features.
    x : array_like, shape (n, p)
        The features; pandas and polars columns give the coefficients' names.
    y : array_like, shape (n,)
        The responses.
    sample_weight : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as in Keras's `fit`.
    **kwargs
        `cov_type`, `cov_kwds`, `use_t`, `scale`, `information`: as for `GLM.fit`. The certificate
        is that of the likelihood, whatever they are.

    Returns
    -------
    Results
        At the network's own weights, with a `certificate` that says how far from the optimum they
        are, and `is_conditional`.

    Raises
    ------
    ValueError
        If the model does not end in one head of one response, the data do not fit it, columns are
        dependent, or the weights are so far from an optimum that the information is not positive
        definite.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
    >>> y = np.array([0, 0, 1, 0, 1, 1])
    >>> neuron = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli")])
    >>> results = pn.inference(neuron, x, y)
    >>> results.certificate.converged
    False
    >>> _ = pn.polish(neuron, x, y)
    >>> pn.inference(neuron, x, y).params.round(3).tolist()
    [-0.693, 1.386]
    """
    bridge = Bridge(model, x, y, sample_weight)
    coef = bridge.coef()
    certificate = bridge.certify(coef)
    return bridge.results(coef, certificate, kwargs)


def polish(model, x, y, *, sample_weight=None, maxiter=100, tol=1e-9, **kwargs):
    """Take the weights of a network's head to the exact optimum, in place.

    Parameters
    ----------
    model, x, y, sample_weight
        As for `inference`. Hidden layers keep their weights; linear layers before the head change
        only where the head alone cannot reach the optimum.
    maxiter, tol
        As for `GLM.fit`.
    **kwargs
        As for `inference`.

    Returns
    -------
    Results
        What `inference` returns at the new weights.

    Raises
    ------
    ValueError
        As `inference`; if the head has a `kernel_regularizer`, whose optimum is another; or if no
        optimum exists (`PerfectSeparationError`). The weights are then as they were.
    RuntimeError
        If no optimum was reached; the weights are as they were.
    """
    bridge = Bridge(model, x, y, sample_weight)
    linear = [] if bridge.chain is None else bridge.chain.layers
    for layer in (bridge.head, *linear):
        if is_penalised(layer):
            raise ValueError(
                "Expected layers without a penalty: polish finds the maximum of the likelihood. "
                f"Received: kernel_regularizer={layer.kernel_regularizer} of {layer.name!r}. Make "
                "it without, or fit the penalised model: GLM(...).fit_regularized(alpha=...)."
            )
    best = bridge.optimum(bridge.coef(), maxiter, tol)
    if not best.converged:
        raise RuntimeError(f"{_NO_OPTIMUM.format(best.iterations)} The weights are as they were.")
    bridge.results(best.coef, None, kwargs)  # raises what there is to raise before weights change
    bridge.assign(best.coef)
    coef = bridge.coef()  # as rounded to the weights' precision
    certificate = bridge.certify(coef, best)
    if not certificate.converged:
        warnings.warn(
            f"The head's {bridge.head.variable_dtype} weights cannot hold the optimum: "
            f"{certificate.largest:.2g} standard errors, Newton decrement "
            f"{certificate.decrement:.2g}. Standardise x: put keras.layers.Normalization before "
            "the head.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return bridge.results(coef, certificate, kwargs)


@dataclass(frozen=True)
class Certificate:
    """How far weights are from the optimum of their likelihood.

    Attributes
    ----------
    gap : float
        The mean negative log-likelihood less that at the optimum; infinite if there is none.
    largest : float
        The largest distance of a coefficient from the optimum, in standard errors.
    name : str
        That coefficient's name.
    decrement, score_norm : float
        Newton's decrement at the weights, and the largest |score| over its standard deviation.
    problem : str
        Why there is no optimum to compare with; else empty.
    """

    gap: float
    largest: float
    name: str
    decrement: float
    score_norm: float
    problem: str = ""

    @property
    def converged(self):
        """Whether the coefficients, each and together, are near enough to the optimum.

        That is within a hundredth of a standard error, by their distance, the score and Newton's
        decrement.
        """
        return max(self.largest, self.decrement, self.score_norm) <= _NEAR

    def __str__(self):
        if self.problem:
            return f"Convergence: no optimum to compare with. {self.problem}"
        where = (
            f"Convergence: the mean NLL is {self.gap:.3g} above the optimum; the largest "
            f"coefficient error is {self.largest:.2g} standard errors ({self.name}); score norm "
            f"{self.score_norm:.2g}, Newton decrement {self.decrement:.2g}"
        )
        return f"{where}. " + ("Converged." if self.converged else "Not converged: run pn.polish.")


class Bridge:
    """A network and data, seen as a model of its head's parameters on its features."""

    def __init__(self, model, x, y, sample_weight=None):
        self.head, layers, body = split(model)
        head, family = self.head, self.head.family
        if head.responses != 1:
            raise ValueError(
                f"Expected a head with units=1. Received: units={head.units}. Responses are "
                "independent given x: make a network for each."
            )
        if not family.smooth:
            raise ValueError(
                "Expected a family whose likelihood has second derivatives. Received: "
                f"{family!r}. The exact optimum of a linear model of the laplace family: "
                "probnn.glm.GLM(y, X, family='laplace').fit()."
            )
        if family.location in head.fixed:
            raise ValueError(f"Expected a location that is not fixed: {family.location!r}.")
        names = names_of(x)
        names = None if names is None else [str(name) for name in names]
        self.labelled = is_labelled(x)
        index = index_of(x)
        x = data.features(x)
        if np.ndim(x) != 2:
            raise ValueError(
                f"Expected x of shape (n, p), one row for each y. Received: shape {np.shape(x)}."
            )
        width = getattr(model, "input_shape", (None, None))[-1]
        if width not in (None, x.shape[1]):
            raise ValueError(
                f"Expected x of shape (n, {width}), as the network takes. Received: shape "
                f"{x.shape}."
            )
        if not head.built:
            model(x[:1])
        self.y_name = name_of(y) or "y"
        y = data.response(y, head)
        x = np.asarray(x, dtype="float64")
        self.chain = collapse(layers, x.shape[1], head.kinds.count("predicted"))
        if self.chain is not None and not head.use_bias and self.chain.shift.any():
            self.chain = None  # its constant goes with the coefficients: no model of x alone
        self.is_conditional = self.chain is None
        if self.is_conditional:
            with backend.many_programs():
                features = np.asarray(body.predict(x, verbose=0), dtype="float64")
            names = [f"feature {j + 1}" for j in range(features.shape[1])]
            self.kept = _independent(features, head.use_bias)
            x, names = features[:, self.kept], [names[j] for j in self.kept]
            self.features = features
        if names is None:
            names = [f"x{j + 1}" for j in range(x.shape[1])]
        self.x_names = names
        design = np.column_stack([np.ones(len(x)), x]) if head.use_bias else x
        self.design = design
        self.labels = ["const", *names] if head.use_bias else names
        self._make(y, sample_weight, index)

    def _make(self, y, sample_weight, index):
        """Make the model that is tabulated, and the one whose every parameter is free."""
        import pandas as pd

        head, family = self.head, self.head.family
        frame = pd.DataFrame(self.design, columns=self.labels, index=index)
        one = pd.DataFrame({"const": np.ones(len(frame))}, index=frame.index)
        names = [name for name, _ in family.raw_columns]
        kinds = dict(zip(names, head.kinds, strict=True))
        bare = frame.drop(columns="const", errors="ignore")
        frames = {n: bare if n in family.no_intercept else frame for n in kinds}
        location = frames[family.location] if kinds[family.location] == "predicted" else one
        others = {
            n: frames[n] for n, k in kinds.items() if k == "predicted" and n != family.location
        }
        # What Keras does with sample weights: they multiply the likelihood of rows.
        weights = read_column(sample_weight, len(frame), "sample_weight", minimum=0.0)
        origin = Origin(y_name=self.y_name, labelled=self.labelled, likelihood_weights=weights)
        options = {"fixed": head.fixed, "_origin": origin}
        self.glm = self.full = GLM(y, location, family, designs=others, **options)
        if self.glm.is_linear:
            self.glm = OLS(y, location, family=family, _origin=origin)
        elif family.kind == "binary" and family.is_canonical:
            self.glm = self.full = Logit(y, location, family=family, _origin=origin)
        if self.glm.dispersion is not None:
            free = {**others, self.glm.dispersion: one}
            self.full = GLM(y, location, family, designs=free, **options)

    # ---- weights and coefficients -----------------------------------------------------------

    def coef(self):
        """Return the coefficients of the full model that the network has, on the raw scale."""
        kernel, bias = (
            None if t is None else keras.ops.convert_to_numpy(t).astype("float64")
            for t in self.head.coefficients()
        )
        bias = np.zeros(kernel.shape[1]) if bias is None else bias
        if self.is_conditional:
            kernel, bias = self._onto_kept(kernel, bias)
        else:
            kernel, bias = self.chain.slope @ kernel, bias + self.chain.shift @ kernel
        return flat(self.head, kernel, bias)

    def _onto_kept(self, kernel, bias):
        """Say with independent features what the kernel says with all of them."""
        lost = [j for j in range(len(kernel)) if j not in self.kept]
        if not lost:
            return kernel, bias
        change = np.linalg.lstsq(self.design, self.features[:, lost] @ kernel[lost], rcond=None)[0]
        if self.head.use_bias:
            return kernel[self.kept] + change[1:], bias + change[0]
        return kernel[self.kept] + change, bias

    def assign(self, coef):
        """Give the network the coefficients of the full model."""
        kinds, head = self.head.kinds, self.head
        kernel, bias = np.zeros((len(self.x_names), len(kinds))), np.zeros(len(kinds))
        start = 0
        for a, kind in enumerate(kinds):
            if kind == "predicted":
                width = len(self.x_names) + head.biased[a]
                part = coef[start : start + width]
                kernel[:, a] = part[1:] if head.biased[a] else part
                bias[a] = part[0] if head.biased[a] else 0.0
                start += width
            elif kind == "constant":
                bias[a] = coef[start]
                start += 1
        if self.is_conditional:
            whole = np.zeros((self.features.shape[1], len(kinds)))
            whole[self.kept] = kernel
            head.assign_coefficients(whole, bias)
        else:
            old = keras.ops.convert_to_numpy(head.coefficients()[0]).astype("float64")
            predicted = np.array([kind == "predicted" for kind in kinds])
            inner = self.chain.reach(kernel, old, predicted)
            head.assign_coefficients(inner, absorbed(head, bias - self.chain.shift @ inner))

    # ---- the optimum ------------------------------------------------------------------------

    def optimum(self, coef, maxiter=100, tol=1e-9):
        """Return the optimum of the full model, on the raw scale, from coefficients of it."""
        if self.full is self.glm:
            self.glm._check_identified()
            return solve(self.full.likelihood(), coef, max_iterations=maxiter, tol=tol)
        fitted = self.glm.fit(maxiter=maxiter, tol=tol)
        family, dispersion = self.glm.family, self.glm.dispersion
        value = family.with_dispersion(fitted.scale_ml)[dispersion]
        at = self.full.predicted.index(dispersion)
        raw = float(family.links[dispersion].forward(np.float64(value)))
        widths = [width for width in self.full.widths if width is not None]
        start = np.insert(fitted.coef, int(np.sum(widths[:at])), raw)
        return solve(self.full.likelihood(), start, max_iterations=maxiter, tol=tol)

    def certify(self, coef, best=None):
        """Return the `Certificate` of coefficients of the full model, given the optimum or not."""
        likelihood = self.full.likelihood()
        value, gradient, hessian = likelihood(coef)
        curvature = Curvature(hessian)
        decrement = float(np.sqrt(max(gradient @ curvature.solve(gradient), 0.0)))
        score_norm = float(np.max(np.abs(gradient) / curvature.scale))
        try:
            best = self.optimum(coef) if best is None else best
        except PerfectSeparationError as separated:
            return Certificate(np.inf, np.inf, "", decrement, score_norm, str(separated))
        if not best.converged:
            problem = _NO_OPTIMUM.format(best.iterations)
            return Certificate(np.inf, np.inf, "", decrement, score_norm, problem)
        error = np.abs(coef - best.coef) / np.linalg.norm(
            Curvature(best.hessian).inverse_root(), axis=1
        )
        weights = self.full.data.weights
        total = len(likelihood) if weights is None else float(weights.sum())
        worst = int(np.argmax(error))
        return Certificate(
            gap=max(value - best.value, 0.0) / total,
            largest=float(error[worst]),
            name=self.full.parameter_names[worst],
            decrement=decrement,
            score_norm=score_norm,
        )

    def results(self, coef, certificate, kwargs):
        """Return the `Results` of the tabulated model at coefficients of the full one."""
        if self.full is not self.glm:
            likelihood = self.full.likelihood()
            named = zip(self.full.predicted, likelihood.predicted, strict=True)
            tabulated = [a for name, a in named if name != self.glm.dispersion]
            coef = np.concatenate([coef[likelihood.slices[a]] for a in tabulated])
        self.glm._check_identified(separated=False)
        value, gradient, hessian = self.glm.likelihood()(coef)
        optimum = Optimum(coef, value, gradient, hessian)
        if certificate is not None:
            optimum.decrement, optimum.score_norm = certificate.decrement, certificate.score_norm
            optimum.converged = certificate.converged
        found = self.glm._results()(
            self.glm, optimum, method="network", certificate=certificate, **kwargs
        )
        found.is_conditional = self.is_conditional
        return found


def _independent(features, intercept):
    """Return the columns of features that are independent, of each other and of a constant."""
    from scipy.linalg import qr

    first = np.ones((len(features), 1)) if intercept else np.empty((len(features), 0))
    rest = features - first @ (first.T @ features) / len(features)
    size = np.sqrt((rest**2).sum(axis=0))
    own = np.sqrt((features**2).sum(axis=0))
    alive = np.flatnonzero(size > 1e-6 * own)  # features are float32: less is rounding
    if not alive.size:
        raise ValueError(
            "Expected a network with a feature that varies. Received: none of the "
            f"{features.shape[1]} features before the head does. Train again from other weights."
        )
    r, order = qr(rest[:, alive] / size[alive], mode="r", pivoting=True)
    pivots = np.abs(np.diag(r[: len(alive)]))
    return sorted(int(j) for j in alive[order[: int(np.sum(pivots > 1e-5 * pivots[0]))]])
