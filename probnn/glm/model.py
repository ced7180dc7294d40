"""Models: data and a family, ready to be fitted."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from probnn import families, links
from probnn.data.columns import Columns
from probnn.data.frames import index_of
from probnn.data.tables import is_labelled
from probnn.design.rank import check_rank
from probnn.fitting import overlap, separation
from probnn.fitting.curvature import Curvature
from probnn.fitting.firth import Firth
from probnn.fitting.objective import Sum
from probnn.fitting.optimum import ConvergenceWarning, warn_unless
from probnn.fitting.penalties import ElasticNet
from probnn.fitting.progress import Progress
from probnn.fitting.solve import solve
from probnn.glm.by_name import of_coefficients
from probnn.glm.observations import as_bernoulli
from probnn.glm.results import Results, covariance
from probnn.glm.specification import Origin, Specification
from probnn.predictive.parameters import read_classes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal, Self

    from probnn._types import ArrayLike, Floats, Rows
    from probnn.families.base import Family
    from probnn.fitting.objective import Objective
    from probnn.fitting.optimum import Optimum
    from probnn.fitting.penalties import Penalty
    from probnn.links import Link

_ARRAYS = Origin()


class GLM(Specification):
    """A generalized linear model: a family whose raw parameters are linear in the columns.

    Parameters
    ----------
    y : array_like, shape (n,)
        The response. For the Bernoulli family also (n, 2): successes and failures; for the
        binomial, whose model is the same, successes and trials. For a censored family the bounds,
        (n, 2); for one of vectors (n, d).
    X : array_like, shape (n, p)
        The design of the location, an array or a frame, of pandas, polars or pyarrow, whose names
        are kept. No constant is added: `statsmodels.api.add_constant` does.
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
        What the variance of each row is divided by; two names of one argument. A row whose weight
        is 0, of either kind, is no observation: see the notes.
    fixed : dict, optional
        Parameter -> value that is known: `fixed={"dispersion": 1.0}`.
    designs : dict, optional
        Parameter -> design (n, q): further parameters that depend on columns, on the scale of
        their links, as the scale of a heteroscedastic normal model.
    classes : sequence, optional
        The labels that the codes 0, 1, ... of y stand for, which results and predictions know.
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
    y_columns : Columns
        The names of the columns of a y that is a frame of bounds or of vectors: predictions know
        them, and y goes by them in scores.
    classes : Classes or None
        The labels of the response's classes, where they were given, or a formula coded them.

    Raises
    ------
    ValueError
        For shapes that do not agree, values that are not finite or outside the family's support,
        or names that are not the family's parameters.

    Notes
    -----
    A parameter that has neither a value nor a design nor is the dispersion, as the dispersion of
    the negative binomial family, is one constant; its estimate is among `params` in natural units.

    Rows of weight 0 are left out of all that sums over rows: `nobs`, degrees of freedom, the
    dispersion, likelihoods, information criteria, standard errors and resamples are those of a fit
    without them, as in R; statsmodels counts those of `var_weights` 0 among the degrees of freedom.
    `fittedvalues`, residuals and leverages have all rows, and predictions of one are those of a new
    row, of weight 1. Its y and X are checked as those of others: a missing value raises, or with
    missing="drop" the row is dropped.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> results = pn.glm.GLM([1, 2, 3, 2, 4, 6], x, family="poisson").fit()
    >>> np.exp(results.params).round(6).tolist()
    [2.0, 2.0]
    """

    results_class = Results

    def __init__(
        self,
        y: Rows,
        X: Rows,
        family: str | Family = "normal",
        link: str | Link | None = None,
        *,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        freq_weights: ArrayLike | None = None,
        var_weights: ArrayLike | None = None,
        weights: Any = None,
        fixed: Mapping[str, ArrayLike] | None = None,
        designs: Mapping[str, Rows] | None = None,
        classes: ArrayLike | None = None,
        missing: Literal["none", "drop"] = "none",
        _origin: Any = None,
    ) -> None:
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
        origin = _ARRAYS if _origin is None else _origin
        tables = {"y": y, "X": X, **columns}
        tables |= {f"designs[{name!r}]": z for name, z in (designs or {}).items()}
        tables = self._together(tables, origin.rows, missing == "drop")
        y, X = tables.pop("y"), tables.pop("X")
        columns = {name: tables.pop(name) for name in columns}
        designs = dict(zip(designs or {}, tables.values(), strict=True))
        self.family, y = as_bernoulli(self.family, y)
        self.y_columns = Columns().learnt(y, "y") if self.family.y_columns else Columns()
        self.labelled = is_labelled(X) if origin.labelled is None else origin.labelled
        self.library = self.rows.library if origin.source is None else None
        self.index = index_of(X) if origin.source is None and self.library is None else None
        self.table = origin.table
        self.formula, self.classes = origin.formula, origin.classes
        if classes is not None:
            self.classes = read_classes(self.family, classes)
        y, designs, trials = self._read(y, X, designs, dict(fixed or {}), origin.zeros)
        names = [] if self.y_columns.names is None else self.y_columns.names[0]
        self.y_name = origin.y_name or ", ".join(names) or self.y_name
        self._observe(y, designs, trials, columns, origin)

    @classmethod
    def from_batches(
        cls,
        batches: Rows,
        family: str | Family = "normal",
        link: str | Link | None = None,
        *,
        response: str | None = None,
        columns: Sequence[str] | None = None,
        constant: bool = True,
        offset: str | None = None,
        exposure: str | None = None,
        freq_weights: str | None = None,
        var_weights: str | None = None,
        fixed: Mapping[str, ArrayLike] | None = None,
    ) -> Self:
        """Make a model of data that do not fit in memory: each pass visits one batch at a time.

        Parameters
        ----------
        batches : iterable, callable, str, path-like, or list of paths
            Batches (y, X), or (y, X, {"offset": ...}) with more of a number for each row, in an
            iterable that starts anew or from a function that returns an iterator; or parquet files.
        family, link, fixed
            As for `GLM`.
        response : str
            For parquet files, the column of y.
        columns : list of str, optional
            For parquet files, the columns of X; by default all others.
        constant : bool
            For parquet files, whether a column `const` of ones comes first.
        offset, exposure, freq_weights, var_weights : str, optional
            For parquet files, names of columns.

        Returns
        -------
        GLM
            Its `fit()` gives `Results` with everything but what belongs to single rows.

        Notes
        -----
        One pass checks all rows and draws a sample, whose estimates and whose Hessian make the rest
        a few passes: one gradient each, and one Hessian at the end.

        Examples
        --------
        >>> import numpy as np, probnn as pn
        >>> x = np.column_stack([np.ones(100), np.arange(100.0) / 100])
        >>> y = (np.arange(100) % 3 > 0).astype(float)
        >>> parts = [(y[:60], x[:60]), (y[60:], x[60:])]
        >>> results = pn.glm.GLM.from_batches(parts, "bernoulli").fit()
        >>> bool(np.allclose(results.params, pn.glm.Logit(y, x).fit().params))
        True
        """
        from probnn.data.batches import read_batches

        family = families.get(family, **({} if link is None else {"link": link}))
        several = family.per_trial() is not None or family.y_columns is not None
        if several or not family.smooth:
            raise ValueError(
                "Expected a family of one number in each row, with second derivatives, for models "
                f"in batches. Received: {family!r}. Successes and failures are the two columns of "
                "y that the bernoulli family takes of rows in memory."
            )
        by_row = {
            "offset": offset,
            "exposure": exposure,
            "freq_weights": freq_weights,
            "var_weights": var_weights,
        }
        by_row = {name: column for name, column in by_row.items() if column is not None}
        source = read_batches(batches, response, columns, constant, **by_row)
        y, x, by_row = source.sample()
        if source.names is not None:
            import pandas as pd

            x = pd.DataFrame(x, columns=source.names)
        return GLM(y, x, family, fixed=fixed, **by_row, _origin=Origin(source=source))

    def fit(
        self,
        start_params: ArrayLike | None = None,
        *,
        method: Literal["newton", "firth"] = "newton",
        maxiter: int = 100,
        tol: float = 1e-9,
        cov_type: str = "nonrobust",
        cov_kwds: Mapping[str, Any] | None = None,
        use_t: bool | None = None,
        scale: Literal["X2", "dev", "ml"] | float | None = None,
        information: Literal["expected", "observed"] | None = None,
        engine: Literal["auto", "host", "device"] = "auto",
        verbose: int | str = "auto",
    ) -> Results:
        """Find the maximum-likelihood estimates.

        Parameters
        ----------
        start_params : array_like, shape (p,), optional
            Where to start; constant parameters in natural units. A Series goes by the names of
            the coefficients, as does a frame like `params` of a model of classes.
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
        engine : {"auto", "host", "device"}
            Where rows are summed over: by NumPy on all cores, or by compiled code of the Keras
            backend on its device. "auto" takes the device for large data where it is a GPU.
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
        if method not in ("newton", "firth"):
            raise ValueError(f"Expected method 'newton' or 'firth'. Received: {method!r}.")
        if engine not in ("auto", "host", "device"):
            raise ValueError(f"Expected engine 'auto', 'host' or 'device'. Received: {engine!r}.")
        if not (maxiter >= 1 and 0.0 < tol < np.inf):
            raise ValueError(
                f"Expected maxiter from 1 on and a positive tol. Received: {maxiter}, {tol}."
            )
        covariance.options(self, cov_type, cov_kwds)  # bad ones raise before the fit
        likelihood = self.likelihood()
        # An optimum proves that responses overlap, if they do; of many rows a few prove it before.
        late = method != "firth" and likelihood.in_memory and self._may_be_separated
        late = late and likelihood.sample() is None
        self.check_identified(separated=method != "firth" and not late)
        progress = Progress(verbose)

        def watch(history):
            decrements = history["decrement"]
            progress(len(decrements), nll=history["nll"][-1], decrement=decrements[-1])
            if late and not likelihood.is_wide and overlap.is_doubtful(history):
                self._check_overlap()

        try:
            optimum = solve(
                likelihood,
                lambda: self._start(start_params),
                Firth() if method == "firth" else None,
                max_iterations=maxiter,
                tol=tol,
                engine=engine,
                on_iteration=watch,
            )
        except FloatingPointError:
            if late:
                self._check_overlap()
            raise
        finally:
            progress.close()
        if late and not overlap.is_proven(likelihood, optimum):
            self._check_overlap()
        warn_unless(optimum, maxiter)
        self._warn_at_boundary(optimum)
        return self.results_class(
            self,
            optimum,
            cov_type=cov_type,
            cov_kwds=cov_kwds,
            use_t=use_t,
            scale=scale,
            information=information,
        )

    def _warn_at_boundary(self, optimum):
        """Warn of a constant parameter that went to where the family is a simpler one."""
        for j, name in self.constants.items():
            bound, simpler = self.family.limits.get(name, (None, None))
            value = self.family.links[name].inverse(optimum.coef[j]) if simpler else None
            if simpler and (value < 1e-6 if bound == 0 else value > 1e6):
                warnings.warn(
                    f"The {name} went to {'0' if bound == 0 else 'infinity'}, where the "
                    f"{self.family.label} family is the {simpler}: the data vary no more than "
                    f"that. Its standard error and z-test mean nothing; fit family={simpler!r}.",
                    ConvergenceWarning,
                    stacklevel=3,
                )

    @property
    def is_linear(self) -> bool:
        """Whether the estimates solve a linear least-squares problem."""
        least_squares = self.family.loss == "squared_error" and self.family.is_canonical
        return least_squares and self.dispersion is not None

    def likelihood(self) -> Objective:
        """Return the `Objective` of the rows, at dispersion 1 where there is one."""

        def of(rows):
            return rows.likelihood(self.family, self.known)

        if self.data.rows is not None:
            return of(self.data.rows.used)
        return Sum(lambda: map(of, self.data.parts()), len(self), of(self.data.sample()))

    def check_identified(self, separated: bool = True) -> None:
        """Raise if columns are dependent or, where that is asked, classes are separated."""
        most = max(width for width in self.widths if width)
        if self.nobs < most <= len(self):
            raise ValueError(
                f"Expected at least as many observations as columns. Received: {len(self)} rows, "
                f"whose freq_weights sum to {self.nobs:.6g}, and {most} columns. Precisions that "
                "sum to anything are var_weights."
            )
        # Of batches a sample with independent columns, or overlapping classes, settles it.
        rows = self.data.sample()
        seen = []
        for a, x in enumerate(rows.designs):
            if x is not None and x.shape[1] > 1 and not any(x is z for z in seen):
                seen.append(x)
                first = sum(width or 0 for width in self.widths[:a])
                names = self.parameter_names[first : first + x.shape[1]]
                check_rank(x, names)
        if separated and self._may_be_separated:
            self._check_overlap()

    @property
    def _may_be_separated(self):
        """Whether y has kinds of values that a direction of the coefficients could tell apart."""
        family = self.family
        log = family.links[family.location] == links.get("log")
        counts = family.kind == "counts" and family.of_mean and log
        return counts or family.kind in ("binary", "categorical")

    def _check_overlap(self):
        """Raise if estimates do not exist, as a direction of the coefficients separates y."""
        rows, family = self.data.sample(), self.family
        x = self.location_design(rows).toarray()
        separation.check(
            rows.y, x, family.kind, self.x_names, self.classes, firth=family.is_canonical
        )

    def _start(self, start_params=None):
        """Return coefficients, on the raw scale, where the likelihood is finite."""
        rows = self.data.sample()
        likelihood = rows.likelihood(self.family, self.known)
        if start_params is not None:
            start = np.array(of_coefficients(self, start_params, "start_params"), dtype="float64")
            if start.shape != (likelihood.size,) or not np.isfinite(start).all():
                raise ValueError(
                    f"Expected start_params of shape ({likelihood.size},), finite. Received: "
                    f"{start_params!r}."
                )
            for j, name in self.natural.items():
                start[j] = self.family.links[name].forward(start[j])
            return start
        y = rows.y if rows.trials is None else np.round(rows.y)
        raw = self.family.marginal(y, self.known)
        start = np.zeros(likelihood.size)
        for a, (x, where) in enumerate(zip(rows.designs, likelihood.slices, strict=True)):
            if x is None:
                continue
            target = raw[a] - (np.mean(rows.offsets[a]) if a in rows.offsets else 0.0)
            if x.constants:
                first = x.constants[0]
                start[where.start + first] = target / x.toarray(slice(1))[0, first]
            elif target != 0.0:
                start[where] = Curvature(x.gram).solve(x.tdot(np.full(len(x), target)))
        return start

    def fit_regularized(
        self,
        alpha: float | ArrayLike = 0.0,
        L1_wt: float = 0.0,
        start_params: ArrayLike | None = None,
        maxiter: int = 200,
        tol: float = 1e-9,
    ) -> Results:
        """Minimise -llf / n + alpha (L1_wt sum(abs(b)) + (1 - L1_wt) sum(b^2) / 2).

        The log-likelihood is that at dispersion 1, and n the number of rows that count, of a weight
        other than 0.

        Parameters
        ----------
        alpha : float or array_like, shape (p,)
            The weight of the penalty, or of each coefficient's: 0 for the constant leaves it free.
            One number leaves constant parameters, as a dispersion, free. A Series or a dict goes
            by the names of the coefficients.
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
        alpha = of_coefficients(self, alpha, "alpha")
        penalty = ElasticNet(alpha, L1_wt, free=self.constants, n=self.n_used)
        start = self._start(start_params)
        optimum = self.minimise(penalty, start, maxiter, tol)
        warn_unless(optimum, maxiter)
        return self.results_class(self, optimum)

    def minimise(
        self,
        penalty: Penalty,
        start: Floats | None = None,
        max_iterations: int = 200,
        tol: float = 1e-9,
    ) -> Optimum:
        """Return the `Optimum` of -llf plus a `Penalty` of the coefficients on the raw scale.

        Parameters
        ----------
        penalty : probnn.fitting.penalties.Penalty
            Of the log-likelihood at dispersion 1.
        start : numpy.ndarray, shape (p,), optional
            Coefficients on the raw scale.
        max_iterations, tol
            As `fit` has them.
        """
        return solve(
            self.likelihood(),
            self._start if start is None else start,
            penalty,
            max_iterations=max_iterations,
            tol=tol,
        )

    def __repr__(self):
        return f"<{type(self).__name__} {self.family!r}: n={len(self)}, p={self.p}>"
