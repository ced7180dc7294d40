"""Tests of hypotheses about the coefficients of a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from probnn.glm.by_name import of_hypotheses
from probnn.glm.results.nested import check_nested, warn_if_robust

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import ArrayLike
    from probnn.glm.results import Results


class Hypotheses:
    """The part of `Results` that tests: statsmodels' own tests on our covariance, and others."""

    def _statsmodels(self):
        """Return statsmodels' own results object around these estimates: it makes the tests."""
        from statsmodels.base.model import LikelihoodModelResults

        cov = self._cov
        names = self.model.parameter_names
        data = SimpleNamespace(cov_names=names, param_names=names, model_spec=None)
        shim = SimpleNamespace(data=data, exog_names=names)
        found = LikelihoodModelResults(shim, self._natural[0], cov, scale=1.0)
        found.use_t, found.df_resid = self.use_t, self.df_resid
        found.df_resid_inference = self.df_resid_inference
        return found

    def t_test(self, r_matrix: Any, **kwargs: Any) -> Any:
        """Test linear hypotheses one by one: "x1 = x2", or a matrix (m, p); as statsmodels.

        The columns of a frame, and a Series of one hypothesis, go by the names of coefficients.
        """
        return self._statsmodels().t_test(self._by_name(r_matrix), **kwargs)

    def wald_test(self, r_matrix: Any, scalar: bool = True, **kwargs: Any) -> Any:
        """Test linear hypotheses, as `t_test`, together: by chi-squared; `use_f=True` by F."""
        return self._statsmodels().wald_test(self._by_name(r_matrix), scalar=scalar, **kwargs)

    def f_test(self, r_matrix: Any, **kwargs: Any) -> Any:
        """Test linear hypotheses together, by F: as `t_test`."""
        return self._statsmodels().f_test(self._by_name(r_matrix), **kwargs)

    def _by_name(self, r_matrix):
        return of_hypotheses(self.model, r_matrix, "r_matrix")

    def wald_test_terms(self, skip_single: bool = False) -> Any:
        """Test each term of the formula, or each column: a table with `summary_frame()`.

        Constant parameters, as a dispersion or cutpoints, are left out: 0 is no hypothesis of them.
        """
        import pandas as pd
        from statsmodels.stats.contrast import WaldTestResults

        identity, table = np.eye(len(self.coef)), {}
        for name, columns in self.model.terms().items():
            columns = [j for j in columns if j not in self.model.constants]
            if not columns or (skip_single and len(columns) == 1):
                continue
            test = self.wald_test(identity[columns])
            entry = {"statistic": test.statistic, "pvalue": float(test.pvalue)}
            entry["df_constraint"] = len(columns)
            table[name] = {**entry, **({"df_denom": test.df_denom} if self.use_t else {})}
        frame = pd.DataFrame.from_dict(table, orient="index")
        return WaldTestResults(None, "F" if self.use_t else "chi2", None, table=frame)

    def compare_lr_test(self, restricted: Results) -> tuple[float, float, int]:
        """Test a restricted model against this one by their likelihoods.

        Parameters
        ----------
        restricted : Results
            Of a model of the same rows, responses, weights and family, whose offset and columns
            are in the span of this one's.

        Returns
        -------
        statistic, pvalue, df
            Twice the difference of the log-likelihoods, its chi-squared p-value, and how many
            estimates this model has more.

        Raises
        ------
        ValueError
            If the models are not nested, or not at one dispersion where `fit(scale=...)` gave it.

        Warns
        -----
        InvalidTestWarning
            If a covariance is robust, as in statsmodels: `wald_test` uses it.

        Notes
        -----
        Each is at its own maximum over a dispersion that is estimated. Where the family has none
        and `fit(scale="X2")` estimates one, the likelihoods are quasi-likelihoods, and the
        statistic is divided by this model's, as in R: McCullagh (1983), doi:10.1214/aos/1176346056.
        """
        from scipy import stats

        for results in (self, restricted):
            results._check_maximum("A likelihood ratio")
        if self._is_given and not (restricted._is_given and restricted.scale == self.scale):
            raise ValueError(
                f"Expected a restricted model at the dispersion of this one, {self.scale:.6g}, "
                f"which is given. Received: one at {restricted.scale:.6g}. Fit both with it."
            )
        df = len(self.coef) + self._dispersions - len(restricted.coef) - restricted._dispersions
        check_nested(self, restricted, df)
        warn_if_robust("The likelihood-ratio test", self, restricted)
        statistic = 2.0 * (self.llf - restricted.llf)
        if statistic < -1e-7 * (1.0 + abs(self.llf)):
            raise ValueError(
                "Expected a restricted model that is less likely than this one. Received: one that "
                f"is more likely, by {-statistic / 2.0:.4g}: a fit ended before its maximum, or "
                "the models are not nested."
            )
        statistic = max(statistic, 0.0) / self._quasi
        return float(statistic), float(stats.chi2.sf(statistic, df)), df

    def score_test(self, exog_extra: ArrayLike) -> tuple[float, float, int]:
        """Test whether further columns (n, q) belong in the model, without fitting it.

        Parameters
        ----------
        exog_extra : array_like, shape (n, q)
            Of the rows that were fitted, or of all that were given; frames and series are aligned.

        Returns
        -------
        statistic, pvalue, df
            Rao's score statistic with the observed information, its chi-squared p-value, and q.

        Notes
        -----
        Rao (1948), doi:10.1017/S0305004100023987.
        """
        from scipy import stats

        from probnn.data.tables import read_design
        from probnn.design.matrix import Dense
        from probnn.design.rank import check_rank

        if self.family.params[self.family.location].size is not None:
            raise ValueError("Expected a model of one location. Received: several.")
        exog_extra = self.model.rows.align(exog_extra, "exog_extra")
        extra, names, _ = read_design(exog_extra, "exog_extra")
        if len(extra) != len(self.model):
            raise ValueError(
                f"Expected exog_extra with {len(self.model)} rows, as the model. Received: "
                f"{len(extra)}."
            )
        x, others = self.model.X, self._data.designs[1:]
        wide = Dense(np.column_stack([x, extra]), [*self.model.x_names, *names])
        data = replace(self._data, designs=[wide, *others]).used
        check_rank(data.designs[0], wide.names)
        likelihood = data.likelihood(self.family, self.model.known)
        p, q = x.shape[1], extra.shape[1]
        coef = np.concatenate([self.coef[:p], np.zeros(q), self.coef[p:]])
        _, gradient, hessian = likelihood(coef)
        statistic = gradient @ np.linalg.solve(hessian, gradient) / self.scale
        return float(statistic), float(stats.chi2.sf(statistic, q)), q
