"""A network and data, as a model of its head's parameters on its features."""

import keras
import numpy as np

from probnn import backend, data
from probnn.bridge.features import Features
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
from probnn.networks.graph import branches, split
from probnn.networks.inputs import columns_of, read_inputs, responses_of
from probnn.networks.layout import parts

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
        self.head, _, self.body = split(model)
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
        names = [f"x{j + 1}" for j in range(x.shape[1])] if names is None else names
        self.features, made = [], {}
        for parameters, layers in branches(model):
            chain = collapse(layers, x.shape[1], head.kinds.count("predicted"))
            if chain is not None and (head.use_bias or not chain.shift.any()):
                found = Features(head.use_bias, names, chain)
            else:  # a constant before a head without one goes with the coefficients
                made = made or self._made(x)
                found = Features.of_layers(made[parameters[0]], head.use_bias, keep_all)
            self.features.append((parameters, found))
        self._make(x, made, y, weights, zeros=keep_all)

    def _made(self, x):
        """Return parameter -> the features (n, m) that the layers before the head make of rows."""
        with backend.many_programs(), entered(self.body):
            made = self.body.predict(x, verbose=0)
        return {
            name: np.asarray(each, dtype="float64")
            for names, each in parts(self.head, made)
            for name in names
        }

    @property
    def is_conditional(self):
        """Whether some parameter is made of features that layers make, and not of columns of x."""
        return any(each.kept is not None for _, each in self.features)

    def layout(self):
        """Return what `restored` takes, plain."""
        return {
            "features": [[names, list(each.names), each.kept] for names, each in self.features],
            "dispersion": self.dispersion,
        }

    @classmethod
    def restored(cls, network, full, features, dispersion):
        """Return the model of a network's head without rows, for new ones.

        Parameters
        ----------
        network : keras.Model
        full : GLM
            The full model.
        features, dispersion
            As `layout` returns them.
        """
        found = cls.__new__(cls)
        found.network, found.full, found.dispersion = network, full, dispersion
        found.head, _, found.body = split(network)
        found.columns = columns_of(network)
        found.features = [
            (parameters, Features(found.head.use_bias, names, kept=kept))
            for parameters, names, kept in features
        ]
        return found

    def _observed(self, x, y, weights):
        """Return the rows whose weight is not 0: of the others y was not observed."""
        if weights is None or weights.all():
            return x, y, weights
        data.check_some_count(weights)
        kept = np.flatnonzero(weights)
        self.rows = self.rows.take(kept, "of weight 0")
        return x[kept], y[kept], weights[kept]

    def _make(self, x, made, y, weights, zeros=False):
        """Make the model that is tabulated, and the one whose every parameter is free."""
        import pandas as pd

        head, family = self.head, self.head.family
        location, others = self._frames(x, made, self.index)
        self.labels, self.design = [*location.columns], location.to_numpy()
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

    def _frames(self, x, made, index=None):
        """Return the location's design as a frame, and those of other predicted parameters."""
        import pandas as pd

        family, others = self.head.family, {}
        for names, each in self.features:
            design = each.design(x, made.get(names[0]))
            frame = pd.DataFrame(design, columns=each.labels, index=index)
            bare = frame.drop(columns="const", errors="ignore")
            others.update({n: bare if n in family.no_intercept else frame for n in names})
        location = others.pop(family.location, None)
        if location is None:
            location = pd.DataFrame({"const": np.ones(len(x))}, index=index)
        return location, others

    def new_rows(self, x):
        """Return the `Observations` of new rows of the network's x, for the full model."""
        x = np.asarray(read_inputs(self.network, x, columns=self.columns), dtype="float64")
        location, others = self._frames(x, self._made(x) if self.is_conditional else {})
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
        bias, columns = np.zeros(kernel.shape[1]) if bias is None else bias.copy(), {}
        for each, rows, at in self._blocks():
            found, bias[at] = each.of_head(kernel[rows, at], bias[at])
            columns.update(zip(at, found.T, strict=True))
        return flat(self.head, columns, bias)

    def assign(self, coef):
        """Give the network the coefficients of the full model."""
        head, start = self.head, 0
        old = keras.ops.convert_to_numpy(head.coefficients()[0]).astype("float64")
        kernel, bias, columns = np.zeros_like(old), np.zeros(len(head.kinds)), {}
        widths = {a: len(each.names) for each, _, at in self._blocks() for a in at}
        for a, kind in enumerate(head.kinds):
            if kind == "constant" or head.biased[a]:
                bias[a] = coef[start]
                start += 1
            if kind == "predicted":
                columns[a] = coef[start : start + widths[a]]
                start += widths[a]
        for each, rows, at in self._blocks():
            wanted = np.column_stack([columns[a] for a in at])
            kernel[rows, at], gain = each.to_head(wanted, old[rows, at])
            bias[at] += gain
        head.assign_coefficients(kernel, absorbed(head, bias))

    def _blocks(self):
        """Return each `Features`, and its rows and columns in the kernel of the head."""
        raw = self.head.family.raw_columns
        return [
            (each, self.head.rows[names[0]], [a for a, (n, _) in enumerate(raw) if n in names])
            for names, each in self.features
        ]

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


def check_one_response(head):
    """Raise ValueError for a head of several responses, which are independent given x."""
    if head.responses != 1:
        raise ValueError(
            f"Expected a head with units=1. Received: units={head.units}. Responses are "
            "independent given x: make a network for each."
        )
