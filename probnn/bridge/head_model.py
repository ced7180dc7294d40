"""A network and data, as a model of its head's parameters on its features."""

import keras
import numpy as np

from probnn import backend, data
from probnn.data.alignment import RowIndex, align_all
from probnn.data.frames import index_of, name_of, names_of
from probnn.data.tables import is_labelled
from probnn.fitting.certificate import Certificate
from probnn.fitting.curvature import Curvature
from probnn.fitting.optimum import Optimum
from probnn.fitting.separation import PerfectSeparationError
from probnn.fitting.solve import solve
from probnn.glm.linear import OLS, Logit
from probnn.glm.model import GLM
from probnn.glm.specification import Origin
from probnn.networks.affine import collapse
from probnn.networks.coefficients import absorbed, flat
from probnn.networks.entered import entered
from probnn.networks.graph import split
from probnn.networks.inputs import columns_of, read_inputs, responses_of

NO_OPTIMUM = (
    "Newton's method found no optimum in {} iterations. Raise maxiter; or the likelihood grows "
    "without bound, as where a scale can follow single rows: make it constant, or use fewer "
    "features."
)


class HeadModel:
    """A network and data, seen as a model of its head's parameters on its features.

    Dependent features are left out, which say nothing more, unless `keep_all`: a prior tells their
    coefficients.
    """

    def __init__(self, model, x, y, sample_weight=None, keep_all=False):
        self.network = model
        self.head, layers, self.body = split(model)
        head, family = self.head, self.head.family
        check_one_response(head)
        if not family.smooth:
            raise ValueError(
                "Expected a family whose likelihood has second derivatives. Received: "
                f"{family!r}. The exact optimum of a linear model of the laplace family: "
                "probnn.glm.GLM(y, X, family='laplace').fit()."
            )
        if family.location in head.fixed:
            raise ValueError(f"Expected a location that is not fixed: {family.location!r}.")
        x, y, sample_weight = align_all(x, y, sample_weight)
        self.rows = RowIndex.first(x=x, y=y)
        self.columns = columns_of(model).learnt(x)
        x = self.columns.aligned(x)
        names = names_of(x)
        names = None if names is None else [str(name) for name in names]
        self.labelled, index = is_labelled(x), index_of(x)
        self.y_name = name_of(y) or "y"
        x = read_inputs(model, x)
        if np.ndim(x) != 2:
            raise ValueError(
                f"Expected x of shape (n, p), one row for each y. Received: shape {np.shape(x)}."
            )
        if not head.built:
            model(x[:1])
        responses = responses_of(model)
        (self.classes,) = responses.classes_of_each(1)
        y = responses.coded(y)
        x = np.asarray(x, dtype="float64")
        x, y, weights = self._observed(x, *data.arrays(x, y, sample_weight, head)[1:])
        self.index = index if index is None or self.rows.kept is None else index[self.rows.kept]
        self.chain = collapse(layers, x.shape[1], head.kinds.count("predicted"))
        if self.chain is not None and not head.use_bias and self.chain.shift.any():
            self.chain = None  # its constant goes with the coefficients: no model of x alone
        self.is_conditional = self.chain is None
        if self.is_conditional:
            with backend.many_programs(), entered(self.body):
                features = np.asarray(self.body.predict(x, verbose=0), dtype="float64")
            names = [f"feature {j + 1}" for j in range(features.shape[1])]
            every = np.arange(features.shape[1])
            self.kept = every if keep_all else _independent(features, head.use_bias)
            x, names = features[:, self.kept], [names[j] for j in self.kept]
            self.features = features
        if names is None:
            names = [f"x{j + 1}" for j in range(x.shape[1])]
        self.x_names = names
        design = np.column_stack([np.ones(len(x)), x]) if head.use_bias else x
        self.design = design
        self.labels = ["const", *names] if head.use_bias else names
        self._make(y, weights, zeros=keep_all)

    def layout(self):
        """Return what `restored` takes, plain."""
        return {
            "labels": list(self.labels),
            "kept": [int(j) for j in self.kept] if self.is_conditional else None,
            "dispersion": self.dispersion,
        }

    @classmethod
    def restored(cls, network, full, labels, kept, dispersion):
        """Return the model of a network's head without rows, for new ones.

        Parameters
        ----------
        network : keras.Model
        full : GLM
            The full model.
        labels, kept, dispersion
            As `layout` returns them.
        """
        found = cls.__new__(cls)
        found.network, found.full, found.labels, found.kept = network, full, labels, kept
        found.head, _, found.body = split(network)
        found.is_conditional, found.dispersion = kept is not None, dispersion
        found.columns = columns_of(network)
        return found

    def _observed(self, x, y, weights):
        """Return the rows whose weight is not 0: of the others y was not observed."""
        if weights is None or weights.all():
            return x, y, weights
        data.check_some_count(weights)
        kept = np.flatnonzero(weights)
        self.rows = self.rows.take(kept, "of weight 0")
        return x[kept], y[kept], weights[kept]

    def _make(self, y, weights, zeros=False):
        """Make the model that is tabulated, and the one whose every parameter is free."""
        import pandas as pd

        head, family = self.head, self.head.family
        location, others = self._frames(self.design, self.index)
        # What Keras does with sample weights: they multiply the likelihood of rows.
        if weights is not None:
            weights = weights.astype("float64")
        origin = Origin(
            y_name=self.y_name,
            labelled=self.labelled,
            classes=self.classes,
            rows=self.rows,
            likelihood_weights=weights,
            zeros=zeros,
        )
        options = {"fixed": head.fixed, "_origin": origin}
        self.glm = self.full = GLM(y, location, family, designs=others, **options)
        if self.glm.is_linear:
            self.glm = OLS(y, location, family=family, _origin=origin)
        elif family.kind == "binary" and family.is_canonical:
            self.glm = self.full = Logit(y, location, family=family, _origin=origin)
        self.dispersion = self.glm.dispersion
        if self.dispersion is not None:
            one = pd.DataFrame({"const": np.ones(len(location))}, index=self.index)
            free = {**others, self.glm.dispersion: one}
            self.full = GLM(y, location, family, designs=free, **options)

    def _frames(self, design, index=None):
        """Return the location's design as a frame, and those of other predicted parameters."""
        import pandas as pd

        family, frame = self.head.family, pd.DataFrame(design, columns=self.labels, index=index)
        bare = frame.drop(columns="const", errors="ignore")
        kinds = dict(zip([name for name, _ in family.raw_columns], self.head.kinds, strict=True))
        frames = {n: bare if n in family.no_intercept else frame for n in kinds}
        others = {n: frames[n] for n, k in kinds.items() if k == "predicted"}
        location = others.pop(family.location, None)
        if location is None:
            location = pd.DataFrame({"const": np.ones(len(frame))}, index=index)
        return location, others

    def new_rows(self, x):
        """Return the `Observations` of new rows of the network's x, for the full model."""
        x = np.asarray(read_inputs(self.network, x, columns=self.columns), dtype="float64")
        if self.is_conditional:
            with backend.many_programs():
                x = np.asarray(self.body.predict(x, verbose=0), dtype="float64")[:, self.kept]
        if self.head.use_bias:
            x = np.column_stack([np.ones(len(x)), x])
        location, others = self._frames(x)
        if self.dispersion is not None:
            import pandas as pd

            others[self.dispersion] = pd.DataFrame({"const": np.ones(len(x))})
        return self.full.new_rows(location, designs=others)

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
            self.glm.check_identified()
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
            problem = NO_OPTIMUM.format(best.iterations)
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
        self.glm.check_identified(separated=False)
        value, gradient, hessian = self.glm.likelihood()(coef)
        optimum = Optimum(coef, value, gradient, hessian)
        if certificate is not None:
            optimum.decrement, optimum.score_norm = certificate.decrement, certificate.score_norm
            optimum.converged = certificate.converged
        found = self.glm.results_class(
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


def check_one_response(head):
    """Raise ValueError for a head of several responses, which are independent given x."""
    if head.responses != 1:
        raise ValueError(
            f"Expected a head with units=1. Received: units={head.units}. Responses are "
            "independent given x: make a network for each."
        )
