"""Models: data and a family, ready to be fitted."""

import copy
import warnings
from dataclasses import replace

import numpy as np

from probnn import families
from probnn.glm import separation
from probnn.glm.data import (
    Observations,
    check_finite,
    check_rank,
    constant_columns,
    has_constant,
    is_labelled,
    read_column,
    read_design,
    read_matrix,
    read_response,
)
from probnn.glm.newton import Optimum, Progress, newton

_LARGE = 2_000_000  # numbers in a design above which a sample of its rows is fitted first


class ConvergenceWarning(UserWarning):
    """Newton's method stopped before the optimum."""


class GLM:
    """A generalized linear model: a family whose raw parameters are linear in the columns.

    Parameters
    ----------
    y : array_like, shape (n,)
        The response. For the Bernoulli family also (n, 2): successes and failures.
    X : array_like, shape (n, p)
        The design of the location, NumPy, pandas or polars; names are kept. No constant is added:
        `statsmodels.api.add_constant` does.
    family : str or Family
        A name from `probnn.families.FAMILIES`, or a family with options.
    link : str or Link, optional
        The link of the location; the family's default.
    offset : array_like, shape (n,), optional
        Added to the linear predictor of the location.
    exposure : array_like, shape (n,), optional
        Its logarithm is added; for the log link.
    freq_weights : array_like, shape (n,), optional
        How many observations each row stands for.
    var_weights, weights : array_like, shape (n,), optional
        What the variance of each row is divided by; two names of one argument.
    fixed : dict, optional
        Parameter -> value that is known: `fixed={"dispersion": 1.0}`.
    designs : dict, optional
        Parameter -> design (n, q): further parameters that depend on columns, on the scale of
        their links, as the scale of a heteroscedastic normal model.
    missing : {"none", "drop"}
        Whether rows with a missing value raise or are dropped; `n_missing` counts them.

    Attributes
    ----------
    parameter_names : list
        The names of the coefficients in order.
    dispersion : str or None
        The parameter that is the dispersion of a classical GLM (the normal's scale, the gamma's
        shape): it is estimated after the coefficients, as `scale`, unless `designs` models it.
    n_missing : int
        How many rows were dropped.

    Raises
    ------
    ValueError
        For shapes that do not agree, values that are not finite or outside the family's support,
        or names that are not the family's parameters.

    Notes
    -----
    A parameter that has neither a value nor a design nor is the dispersion, as the dispersion of
    the negative binomial family, is one constant; its estimate is among `params` in natural units.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> results = pn.glm.GLM([1, 2, 3, 2, 4, 6], x, family="poisson").fit()
    >>> np.exp(results.params).round(6).tolist()
    [2.0, 2.0]
    """

    _use_t = False

    def __init__(
        self,
        y,
        X,
        family="normal",
        link=None,
        *,
        offset=None,
        exposure=None,
        freq_weights=None,
        var_weights=None,
        weights=None,
        fixed=None,
        designs=None,
        missing="none",
    ):
        if weights is not None and var_weights is not None:
            raise ValueError("`weights` is another name of `var_weights`: give it once.")
        options = {} if link is None else {"link": link}
        self.family = families.get(family, **options)
        var_weights = weights if var_weights is None else var_weights
        columns = {
            "offset": offset,
            "exposure": exposure,
            "freq_weights": freq_weights,
            "var_weights": var_weights,
        }
        if missing not in ("none", "drop"):
            raise ValueError(f"Expected missing to be 'none' or 'drop'. Received: {missing!r}.")
        self.n_missing = 0
        if missing == "drop":
            from probnn.glm.formula import drop_missing

            y, X, columns, designs, self.n_missing = drop_missing(y, X, columns, designs)
        self.labelled = is_labelled(X)
        self.index = getattr(X, "index", None)
        self.formula = self.classes = None
        trials, y = self._read(y, X, designs or {}, dict(fixed or {}))
        self._observe(y, trials, columns)

    # ---- what the arguments mean ------------------------------------------------------------

    def _read(self, y, X, designs, fixed):
        """Read the response and the designs, and settle what becomes of every raw column."""
        family = self.family
        family.check_names(designs, "designs")
        family.check_names(fixed, "fixed")
        both = sorted({*designs} & {*fixed} | ({family.location} & {*designs, *fixed}))
        if both:
            raise ValueError(
                f"Expected each parameter once: X is the design of {family.location!r}, `designs` "
                f"are those of others, `fixed` their values. Received twice: {both}."
            )
        y, trials, self.y_name = read_response(y, family)
        self.X, self.x_names = read_design(X)
        others = {name: read_design(z, f"designs[{name!r}]") for name, z in designs.items()}
        for what, z in (("X", self.X), *((f"designs[{n!r}]", z) for n, (z, _) in others.items())):
            if len(z) != len(y):
                raise ValueError(
                    f"Expected {what} with as many rows as y. Received: {len(z)} and {len(y)}."
                )
        dispersion = family.with_dispersion(1.0)
        self.dispersion = next((p for p in dispersion if p not in fixed and p not in others), None)
        unit = {**dispersion, **fixed} if self.dispersion else fixed
        self.fixed = fixed
        self.designs, self.known = [], np.full(family.size, np.nan)
        self.parameter_names, self.constants, self.raw_names = [], {}, []
        self.modelled = {name: labels for name, (_, labels) in others.items()}
        for name, param in family.params.items():
            for j in range(param.size or 1):
                a = len(self.designs)
                design, labels = None, []
                if name == family.location:
                    design, labels = self.X, [f"{x}{self._class(j)}" for x in self.x_names]
                elif name in others:
                    design, labels = others[name][0], [f"{name}: {z}" for z in others[name][1]]
                elif name in unit:
                    self._check_fixed(name, unit[name])
                    self.known[a] = family.links[name].forward(np.float64(unit[name]))
                else:
                    design, labels = np.broadcast_to(1.0, (len(y), 1)), [name]
                    self.constants[len(self.parameter_names)] = name
                self.designs.append(design)
                self.raw_names.append(name)
                self.parameter_names += labels
        self.widths = [None if x is None else x.shape[1] for x in self.designs]
        constant = constant_columns(self.X)
        self.constant_index = constant[0] if constant else None
        self.k_constant = int(has_constant(self.X))
        return trials, y

    def _class(self, j):
        """Return what tells the columns of one class from those of another."""
        return "" if self.family.params[self.family.location].size is None else f" [{j + 1}]"

    def _check_fixed(self, name, value):
        domain = self.family.links[name].domain
        if not domain.contains(np.float64(value)):
            raise ValueError(f"Expected fixed {name!r} to lie in {domain}. Received: {value}.")

    def _observe(self, y, trials, columns):
        n = len(y)
        weights = {
            name: read_column(columns[name], n, name, minimum=0.0)
            for name in ("freq_weights", "var_weights")
        }
        dispersion = self.family.with_dispersion(1.0)
        if weights["var_weights"] is not None and dispersion and self.dispersion is None:
            raise ValueError(
                "Expected var_weights with a dispersion that is estimated after the fit. Received "
                f"a modelled or fixed {next(iter(dispersion))!r}: put what is known of it into "
                "its design."
            )
        for name, values in weights.items():
            if values is not None and not values.any():
                raise ValueError(f"Expected {name} with a value above 0. Received: all are 0.")
        offsets = self._offsets(columns["offset"], columns["exposure"], n)
        self.data = Observations(y, self.designs, offsets, trials=trials, **weights)

    def _offsets(self, offset, exposure, n):
        """Return what is added to the raw location: raw column -> (n,)."""
        offset = read_column(offset, n, "offset")
        exposure = read_column(exposure, n, "exposure", minimum=0.0)
        if exposure is not None:
            link = self.family.links[self.family.location]
            if link.name != "log" or not (exposure > 0).all():
                raise ValueError(
                    f"Expected exposure above 0, with the log link. Received: link {link.name!r}, "
                    f"smallest exposure {exposure.min()}. Use offset= with other links."
                )
            offset = np.log(exposure) + (0.0 if offset is None else offset)
        size = self.family.params[self.family.location].size or 1
        return {} if offset is None else dict.fromkeys(range(size), offset)

    def new_rows(self, exog, offset=None, exposure=None, designs=None):
        """Return `Observations` of new rows, whose y is not known: NaN.

        Parameters
        ----------
        exog : array_like, shape (m, p), or a data frame for models of a formula
            New rows.
        offset, exposure, designs
            As for the model.
        """
        if self.formula is not None:
            tables = {**self.formula.read(exog), **(designs or {})}
            exog = tables.pop(self.family.location)
        else:
            tables = dict(designs or {})
        x = self._like(exog, self.x_names, "exog")
        found = []
        for name, width in zip(self.raw_names, self.widths, strict=True):
            if name == self.family.location:
                found.append(x)
            elif width is None:
                found.append(None)
            elif name in self.modelled:
                if name not in tables:
                    raise ValueError(
                        f"Expected designs={{{name!r}: ...}} for the new rows, as for the model."
                    )
                found.append(self._like(tables[name], self.modelled[name], f"designs[{name!r}]"))
            else:
                found.append(np.broadcast_to(1.0, (len(x), 1)))
        offsets = self._offsets(offset, exposure, len(x))
        return Observations(np.full(len(x), np.nan), found, offsets)

    def _like(self, x, names, what):
        """Return new columns in the order of those that were fitted."""
        labelled = is_labelled(x)
        if labelled and self.labelled and getattr(x, "columns", None) is not None:
            missing = [name for name in names if name not in {str(c) for c in x.columns}]
            if missing:
                raise ValueError(
                    f"Expected {what} with the columns {names}. Received: "
                    f"{[str(c) for c in x.columns]}, without {missing}."
                )
            x = x[[c for name in names for c in x.columns if str(c) == name]]
        x, _ = read_matrix(x, what)
        if x.shape[1] != len(names):
            raise ValueError(
                f"Expected {what} of shape (m, {len(names)}), with the columns {names}. Received: "
                f"shape {x.shape}."
            )
        check_finite(x, what, names)
        return x

    @property
    def y(self):
        """The response (n,); proportions, where it was given as successes and failures."""
        return self.data.y

    @property
    def nobs(self):
        """The number of observations: the sum of freq_weights, or the number of rows."""
        return self.data.nobs

    @property
    def p(self):
        """The number of columns of X."""
        return len(self.x_names)

    @property
    def predicted(self):
        """The names of the parameters that coefficients make, in order."""
        pairs = zip(self.raw_names, self.widths, strict=True)
        return [name for name, width in pairs if width is not None]

    def __len__(self):
        return len(self.data)

    def parts(self):
        """Yield the `Observations`: all at once."""
        yield self.data

    def terms(self):
        """Return name -> indices of coefficients that belong together."""
        if self.formula is not None:
            return self.formula.terms(self)
        return {name: [j] for j, name in enumerate(self.parameter_names)}

    def null_model(self):
        """Return the model with a constant in place of every design."""
        null, one = copy.copy(self), np.broadcast_to(1.0, (len(self), 1))
        null.X, null.x_names = one, ["const"]
        null.designs = [None if x is None else one for x in self.designs]
        null.widths = [None if width is None else 1 for width in self.widths]
        null.data = replace(self.data, designs=null.designs)
        null.parameter_names = null.predicted
        null.constants = {}
        return null

    def without_data(self):
        """Return the model without its rows, for results that are saved."""
        light = copy.copy(self)
        light._nobs = self.nobs
        light.X = light.data = light.designs = light.index = None
        return light

    # ---- fitting ----------------------------------------------------------------------------

    def fit(
        self,
        start_params=None,
        *,
        method="newton",
        maxiter=100,
        tol=1e-9,
        cov_type="nonrobust",
        cov_kwds=None,
        use_t=None,
        scale=None,
        information=None,
        verbose="auto",
    ):
        """Find the maximum-likelihood estimates.

        Parameters
        ----------
        start_params : array_like, shape (p,), optional
            Where to start; constant parameters in natural units.
        method : {"newton", "firth"}
            Firth's penalty, for the Bernoulli family with the logit link, keeps the estimates
            finite where the classes are separated.
        maxiter : int
            The most iterations.
        tol : float
            Stop when the mean log-likelihood is within tol^2 / 2 of the optimum.
        cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC"}
            What standard errors allow for.
        cov_kwds : dict, optional
            For "cluster": `groups`, (n,) or (n, 2), `use_correction`, `df_correction`; for "HAC":
            `maxlags`, `use_correction`.
        use_t : bool, optional
            Student's t in place of the normal distribution, F in place of chi-squared: by default
            for nonrobust `OLS`.
        scale : {"X2", "dev", "ml"} or float, optional
            The dispersion: Pearson's chi-squared over n - p (the default, as statsmodels and R),
            the deviance over n - p, the maximum-likelihood estimate, or a number. Families
            without one have 1.
        information : {"expected", "observed"}, optional
            Which information standard errors come from. The default is "expected" for models of
            a mean alone, as statsmodels and R, and "observed" for models of several parameters.
        verbose : bool or "auto"
            Whether to show progress: "auto" does after a few seconds.

        Returns
        -------
        Results

        Raises
        ------
        ValueError
            For dependent columns, separated classes (`probnn.glm.PerfectSeparationError`), or
            unknown options.

        Warns
        -----
        ConvergenceWarning
            If the iterations end before the optimum.
        """
        self._check_identified(separated=method != "firth")
        if method not in ("newton", "firth"):
            raise ValueError(f"Expected method 'newton' or 'firth'. Received: {method!r}.")
        if method == "firth":
            from probnn.glm.penalised import firth

            optimum = firth(self, self._start(start_params), maxiter, tol)
        elif self.is_linear:
            optimum = self._least_squares()
        else:
            optimum = self._newton(self._start(start_params), maxiter, tol, Progress(verbose))
        warn_unless(optimum, maxiter)
        return self._results()(
            self,
            optimum,
            cov_type=cov_type,
            cov_kwds=cov_kwds,
            use_t=use_t,
            scale=scale,
            information=information,
            method=method,
        )

    @property
    def is_linear(self):
        """Whether the estimates solve a linear least-squares problem."""
        return self.dispersion == "scale" and self.family.links["loc"].name == "identity"

    def likelihood(self):
        """Return the `Likelihood` of the data, at dispersion 1 where there is one."""
        return self.data.likelihood(self.family, self.known)

    def _check_identified(self, separated=True):
        """Raise if columns are dependent or, where that is asked, classes are separated."""
        seen = []
        for a, x in enumerate(self.designs):
            if x is not None and x.shape[1] > 1 and not any(x is z for z in seen):
                seen.append(x)
                first = self.likelihood().slices[a].start
                check_rank(x, self.parameter_names[first : first + x.shape[1]])
        if separated:
            kinds = {"bernoulli": "binary", "categorical": "categorical"}
            log = self.family.links[self.family.location].name == "log"
            kind = kinds.get(self.family.name)
            if kind is None and self.family.support is families.FAMILIES["poisson"].support and log:
                kind = "counts"
            if kind is not None:
                separation.check(self.y, self.X, kind, self.x_names)

    def _start(self, start_params=None):
        """Return coefficients, on the raw scale, where the likelihood is finite."""
        likelihood = self.likelihood()
        if start_params is not None:
            start = np.array(start_params, dtype="float64").ravel(order="F")
            if start.shape != (likelihood.size,) or not np.isfinite(start).all():
                raise ValueError(
                    f"Expected start_params of shape ({likelihood.size},), finite. Received: "
                    f"{start_params!r}."
                )
            for j, name in self.constants.items():
                start[j] = self.family.links[name].forward(start[j])
            return start
        y = self.y if self.data.trials is None else np.round(self.y)
        raw = self.family.marginal(y, np.where(np.isnan(self.known), np.nan, self.known))
        start = np.zeros(likelihood.size)
        for a, (x, where) in enumerate(zip(self.designs, likelihood.slices, strict=True)):
            if x is None:
                continue
            constant = constant_columns(x)
            target = raw[a] - np.mean(self.data.offsets.get(a, 0.0))
            if constant:
                start[where.start + constant[0]] = target / x[0, constant[0]]
            elif np.any(target):
                start[where] = np.linalg.lstsq(x, np.full(len(x), target), rcond=None)[0]
        return start

    def _newton(self, start, maxiter, tol, progress=None):
        likelihood, borrowed = self.likelihood(), None
        n, size = len(likelihood), likelihood.size
        few = max(n // 25, 100 * size)
        if n * size > _LARGE and few < n // 4:
            index = np.sort(np.random.default_rng(0).integers(0, n, few))
            try:
                first = newton(likelihood.rows(index), start, 30, tol=1e-4)
                start, borrowed = first.coef, first.hessian * (n / few)
            except FloatingPointError:
                borrowed = None
        return newton(likelihood, start, maxiter, tol, borrowed, progress)

    def _least_squares(self):
        """Return the optimum of a linear model, by an orthogonal factorisation."""
        from probnn.glm.lstsq import lstsq

        likelihood = self.likelihood()
        y = self.y - self.data.offsets.get(0, 0.0)
        x, weights = self.X, self.data.weights
        if weights is not None:
            root = np.sqrt(weights)
            x, y = x * root[:, None], y * root
        solved = lstsq(x, y)
        value, gradient, _ = likelihood(solved.coef, False)
        return Optimum(
            solved.coef,
            value,
            gradient,
            None,
            decrement=0.0,
            score_norm=0.0,
            converged=True,
            history={"nll": [value], "decrement": [0.0], "score_norm": [0.0], "step": [1.0]},
            inverse=solved.normalized_cov,
        )

    def fit_regularized(self, alpha=0.0, L1_wt=0.0, start_params=None, maxiter=200, tol=1e-9):
        """Minimise -llf / n + alpha (L1_wt |b|_1 + (1 - L1_wt) |b|^2 / 2).

        Parameters
        ----------
        alpha : float or array_like, shape (p,)
            The weight of the penalty, of each coefficient: 0 for the constant leaves it free.
        L1_wt : float
            The share of the lasso, from 0 (ridge) to 1.
        start_params : array_like, shape (p,), optional
            Where to start.
        maxiter : int
            The most iterations.
        tol : float
            As in `fit`.

        Returns
        -------
        Results
            Without standard errors: the penalty makes them meaningless.
        """
        from probnn.glm.penalised import elastic_net

        optimum = elastic_net(self, alpha, L1_wt, start_params, maxiter, tol)
        warn_unless(optimum, maxiter)
        penalty = {"alpha": alpha, "L1_wt": L1_wt}
        return self._results()(self, optimum, method="elastic net", penalty=penalty)

    def _results(self):
        from probnn.glm.results import Results

        return Results

    def __repr__(self):
        return f"<{type(self).__name__} {self.family!r}: n={len(self.y)}, p={self.X.shape[1]}>"


def warn_unless(optimum, maxiter):
    """Warn, with the remedy, if an optimum was not reached."""
    if not optimum.converged:
        warnings.warn(
            f"Newton's method stopped after {optimum.iterations} of at most {maxiter} iterations, "
            f"{optimum.decrement:.2g} standard errors from the optimum of its quadratic model. "
            "Raise maxiter, rescale the columns to similar size, or start elsewhere: "
            "fit(start_params=...).",
            ConvergenceWarning,
            stacklevel=3,
        )


class OLS(GLM):
    """Linear regression: the normal family with the identity link.

    Parameters
    ----------
    y : array_like, shape (n,)
        The response.
    X : array_like, shape (n, p)
        The design; no constant is added.
    **kwargs
        `offset`, `freq_weights`, `var_weights`, `missing`: as for `GLM`.

    Notes
    -----
    Solved by `probnn.glm.lstsq`: QR of the scaled columns, refined in twice the precision. Results
    have what statsmodels' RegressionResults have: `rsquared`, `fvalue`, t-tests.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.OLS([1.0, 3.0, 5.0], [[1, 0], [1, 1], [1, 2]]).fit()
    >>> results.params.tolist(), results.df_resid
    ([1.0, 2.0], 1.0)
    """

    _use_t = True

    def __init__(self, y, X, **kwargs):
        super().__init__(y, X, "normal", **kwargs)

    def _results(self):
        from probnn.glm.linear import OLSResults

        return OLSResults


class Logit(GLM):
    """Logistic regression: the Bernoulli family with the logit link.

    Parameters
    ----------
    y : array_like, shape (n,)
        0 and 1; or (n, 2), successes and failures.
    X : array_like, shape (n, p)
        The design; no constant is added.
    **kwargs
        `offset`, `freq_weights`, `var_weights`, `missing`: as for `GLM`.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.Logit([0, 1, 1, 0, 1, 1], [[1]] * 6).fit()
    >>> float(results.params[0].round(6))  # log(4 / 2)
    0.693147
    """

    def __init__(self, y, X, **kwargs):
        super().__init__(y, X, "bernoulli", **kwargs)

    def _results(self):
        from probnn.glm.linear import LogitResults

        return LogitResults
