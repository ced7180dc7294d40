"""Posteriors as fitted models."""

from probnn.fitted.base import FittedModel
from probnn.fitted.columns import FittedColumns, names_of, rows_of
from probnn.fitted.dispatch import adapt
from probnn.fitted.fit import Fit, log_prob
from probnn.fitted.tables import renamed


def fitted_posterior(posterior):
    """Return the `FittedModel` of a posterior: of a model of columns, or of a network."""
    of_columns = posterior.subject.network is None
    return (FittedPosterior if of_columns else FittedNetworkPosterior)(posterior)


class _OfPosterior:
    """What is the same of all posteriors."""

    kind = "posterior"
    takes_verbose = False
    penalised = "coefficients have priors"

    @property
    def label(self):
        """The method."""
        return self.model.method

    def _fit(self, name, **known):
        """Return the `Fit`, of posterior means and standard deviations if they are of columns."""
        posterior, family = self.model, self.family
        if not posterior.subject.of_features:
            names, classes = names_of(posterior.model)
            known |= {
                "coef": dict(zip(names, posterior.mean, strict=True)),
                "se": dict(zip(names, posterior.sd, strict=True)),
                "draws": posterior.draws.reshape(-1, len(names)),
                "ends": posterior.interval,
                "classes": classes,
            }
        return Fit(
            name=name,
            family=family.name,
            link=family.links[family.location].name,
            known=family,
            size=len(posterior.names),
            penalty=f"priors; its posterior by {posterior.method}",
            hidden=posterior.subject.of_features,
            **{"coef": {}, "nobs": posterior.model.nobs, **known},
        )


class FittedPosterior(_OfPosterior, FittedColumns):
    """A posterior of the coefficients of a model of columns."""

    def __init__(self, posterior):
        super().__init__(posterior, posterior.subject.given)

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        model, predict = self._glm, self.model.predict_distribution
        told = rows_of(model, predict) if self.holds_rows else {}
        return renamed(self._fit(name, dropped=model.n_missing, **told), table)


class FittedNetworkPosterior(_OfPosterior, FittedModel):
    """A posterior of a network's head, or of all its weights."""

    def __init__(self, posterior):
        super().__init__(posterior)
        self._network = adapt(posterior.subject.network)
        self.y_name, self.input_shapes = posterior.model.y_name, self._network.input_shapes
        self.constants, self.fixed = self._network.constants, self._network.fixed

    @property
    def head(self):
        """The network's head."""
        return self._network.head

    def counted(self, x):
        """Return which time steps the network does not mask."""
        return self._network.counted(x)

    def aligned(self, x):
        """Return x with the columns of a frame in the order of the network's."""
        return self._network.aligned(x)

    def response(self, y, what="y"):
        """Return y with the columns of a frame in the order of the network's."""
        return self._network.response(y, what)

    def used(self, table, named):
        """Return the columns as numbers; raises unless they are those that the network takes."""
        return self._network.used(table, named)

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        posterior, own = self.model, self._network.own

        def held_out(table, y):
            return log_prob(posterior.predict_distribution(own(table)), y)

        told = {} if posterior.subject.of_features else rows_of(posterior.model, None)
        told = {key: told[key] for key in ("y", "inputs") if key in told}
        return renamed(self._fit(name, log_prob=held_out, **told), table)

    def without_hidden(self, name, table, y):
        """Return the `Fit` of the head on x alone, at its optimum."""
        return self._network.without_hidden(name, table, y)
