"""Posteriors as fitted models."""

from probnn.fitted.base import FittedModel
from probnn.fitted.fit import Fit, log_prob
from probnn.fitted.results import names_of, used_of
from probnn.fitted.tables import matrix, renamed


class FittedPosterior(FittedModel):
    """A posterior of coefficients: of a model of columns, or of a network's head."""

    kind = "posterior"
    takes_verbose = False
    penalised = "coefficients have priors"

    def __init__(self, posterior):
        super().__init__(posterior)
        self.y_name = posterior.model.y_name
        self.constants = {*posterior.model.constants.values(), *posterior.model.fixed}
        self.fixed = posterior.model.fixed

    @property
    def label(self):
        """The method."""
        return self.model.method

    @property
    def family(self):
        """The model's family."""
        return self.model.family

    def used(self, table, named):
        """Return the columns that the model uses; all that a network has."""
        return table if self.model.read.of_features else used_of(self.model.model, table, named)

    def read(self, name, table=None, y=None):
        """Return the `Fit`: posterior means and standard deviations, and held-out scores."""
        posterior, model = self.model, self.model.model

        def held_out(table, y):
            x = table if model.formula is not None or posterior.read.of_features else None
            if x is None:
                x = matrix(model.x_names, table)
            return log_prob(posterior.predict_distribution(x), y)

        known = {}
        if not posterior.read.of_features:
            names, classes = names_of(model)
            known = {
                "coef": dict(zip(names, posterior.mean, strict=True)),
                "se": dict(zip(names, posterior.sd, strict=True)),
                "draws": posterior.draws.reshape(-1, len(names)),
                "ends": posterior.interval,
                "classes": classes,
            }
        found = Fit(
            name=name,
            family=self.family.name,
            link=self.family.links[self.family.location].name,
            known=self.family,
            size=len(posterior.names),
            nobs=model.nobs,
            penalty=f"priors; its posterior by {posterior.method}",
            log_prob=held_out,
            hidden=posterior.read.of_features,
            **{"coef": {}, **known},
        )
        return renamed(found, table)
