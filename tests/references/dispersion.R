# Likelihoods of models with a dispersion, by R, at their maximum over it: gamma and normal GLMs of
# statsmodels' cpunish data, an inverse Gaussian one of R's cars; and what R's AIC prints, which of
# the gamma is at the deviance over n. Tests of quasi-Poisson models, whose statistic is over the
# dispersion. Run `Rscript dispersion.R cpunish.csv > dispersion.json`.

suppressMessages(library(jsonlite))
data <- read.csv(commandArgs(TRUE)[1])
tight <- list(epsilon = 1e-15, maxit = 200)

gamma_llf <- function(y, mu, phi) {
  sum(dgamma(y, shape = 1 / phi, rate = 1 / (phi * mu), log = TRUE))
}
inverse_llf <- function(y, mu, phi) {
  sum(-0.5 * log(2 * pi * phi * y^3) - (y - mu)^2 / (2 * phi * mu^2 * y))
}
normal_llf <- function(y, mu, phi) sum(dnorm(y, mu, sqrt(phi), log = TRUE))

best_of <- function(llf, y, mu, deviance) {
  n <- length(y)
  if (identical(llf, gamma_llf)) {
    # Of the shape a: log(a) - digamma(a) is half the mean deviance.
    f <- function(a) log(a) - digamma(a) - deviance / (2 * n)
    1 / uniroot(f, c(1e-3, 1e6), tol = 1e-15)$root
  } else {
    deviance / n
  }
}

six <- EXECUTIONS ~ INCOME + PERPOVERTY + PERBLACK + VC100k96 + SOUTH + DEGREE
answer <- function(llf, family, data, formula = six) {
  full <- glm(formula, family, data, control = tight)
  null <- glm(update(formula, . ~ 1), family, data, control = tight)
  found <- lapply(list(full = full, null = null), function(fit) {
    y <- fit$y
    mu <- fitted(fit)
    phi <- best_of(llf, y, mu, deviance(fit))
    near <- phi * c(0.999, 1.001)
    top <- llf(y, mu, phi)
    stopifnot(top > max(sapply(near, function(p) llf(y, mu, p))))
    list(
      phi = phi, llf = top, aic = -2 * top + 2 * (length(coef(fit)) + 1),
      printed = AIC(fit), pearson = summary(fit)$dispersion,
      at_pearson = llf(y, mu, summary(fit)$dispersion)
    )
  })
  found
}

cars <- datasets::mtcars[, c("mpg", "wt", "hp")]
rownames(cars) <- NULL
answers <- list(
  gamma = answer(gamma_llf, Gamma("log"), data),
  inverse_gaussian = answer(inverse_llf, inverse.gaussian("log"), cars, mpg ~ wt + hp),
  normal = answer(normal_llf, gaussian("identity"), data)
)
quasi <- glm(EXECUTIONS ~ INCOME + SOUTH, quasipoisson(), data, control = tight)
less <- glm(EXECUTIONS ~ SOUTH, quasipoisson(), data, control = tight)
none <- glm(EXECUTIONS ~ 1, quasipoisson(), data, control = tight)
answers$quasi <- list(
  scale = summary(quasi)$dispersion,
  pvalue = anova(less, quasi, test = "LRT")$`Pr(>Chi)`[2],
  null_pvalue = anova(none, quasi, test = "LRT")$`Pr(>Chi)`[2]
)
made <- list(R = as.character(getRversion()), jsonlite = as.character(packageVersion("jsonlite")))
out <- list(versions = made, cars = as.list(cars), answers = answers)
cat(toJSON(out, digits = NA, auto_unbox = TRUE), "\n", sep = "")
