# Average effects of variables, by R: derivatives of the model matrix written out by hand, levels by
# counterfactual frames, standard errors by the delta method from the exact Jacobian; those of
# levels are emmeans' counterfactuals too. Run `Rscript margins.R > margins.json`.

suppressMessages({
  library(splines)
  library(jsonlite)
})

mean_of <- list(
  logit = list(
    value = plogis,
    slope = function(e) plogis(e) * plogis(-e),
    curve = function(e) plogis(e) * plogis(-e) * (1 - 2 * plogis(e))
  ),
  log = list(value = exp, slope = exp, curve = exp),
  identity = list(
    value = identity,
    slope = function(e) rep(1, length(e)),
    curve = function(e) rep(0, length(e))
  )
)

tight <- list(epsilon = 1e-15, maxit = 100)
fit_of <- function(formula, family, data) {
  fit <- glm(formula, family, data, control = tight)
  # One more step from the end takes the last digits.
  glm(formula, family, data, start = coef(fit), control = tight)
}

design <- function(fit, data) {
  model.matrix(delete.response(terms(fit)), data, xlev = fit$xlevels)
}

answer <- function(fit, names, effect, jacobian) {
  jacobian <- do.call(rbind, jacobian)
  cov <- jacobian %*% vcov(fit) %*% t(jacobian)
  list(
    names = I(names), effect = I(unlist(effect)), se = I(sqrt(diag(cov))), cov = unname(cov),
    coef = unname(coef(fit))
  )
}

# dX: variable -> derivative of the model matrix; levels: factor -> its levels; by: the log of what.
margins <- function(fit, data, dX, levels = list(), method = "dydx") {
  g <- mean_of[[fit$family$link]]
  b <- coef(fit)
  X <- design(fit, data)
  eta <- drop(X %*% b)
  m <- g$value(eta)
  names <- c()
  effect <- list()
  jacobian <- list()
  for (v in names(dX)) {
    lift <- if (method %in% c("eyex", "dyex")) data[[v]] else rep(1, nrow(data))
    D <- dX[[v]](data, X) * lift
    path <- drop(D %*% b)
    if (method %in% c("eyex", "eydx")) {
      s <- g$slope(eta) / m
      c <- g$curve(eta) / m - s^2
    } else {
      s <- g$slope(eta)
      c <- g$curve(eta)
    }
    names <- c(names, v)
    effect <- c(effect, mean(s * path))
    jacobian <- c(jacobian, list(colMeans(c * path * X + s * D)))
  }
  for (v in names(levels)) {
    at <- function(level) {
      moved <- data
      moved[[v]] <- factor(level, levels = levels(data[[v]]))
      Z <- design(fit, moved)
      e <- drop(Z %*% b)
      list(mean(g$value(e)), colMeans(g$slope(e) * Z))
    }
    first <- at(levels[[v]][1])
    for (level in levels[[v]][-1]) {
      here <- at(level)
      names <- c(names, paste0(v, "[T.", level, "]"))
      effect <- c(effect, here[[1]] - first[[1]])
      jacobian <- c(jacobian, list(here[[2]] - first[[2]]))
    }
  }
  answer(fit, names, effect, jacobian)
}

blank <- function(X) {
  X[] <- 0
  X
}

infert <- datasets::infert[, c("education", "age", "parity", "induced", "case", "spontaneous")]
infert$education <- factor(as.character(infert$education))
cars <- datasets::mtcars[, c("mpg", "hp", "wt", "am", "gear")]
rownames(cars) <- NULL

# ---- an interaction of numbers and of a factor ---------------------------------------------------
crossed <- fit_of(case ~ spontaneous * age + education * age, binomial(), infert)
crossed_dX <- list(
  spontaneous = function(d, X) {
    D <- blank(X)
    D[, "spontaneous"] <- 1
    D[, "spontaneous:age"] <- d$age
    D
  },
  age = function(d, X) {
    D <- blank(X)
    D[, "age"] <- 1
    D[, "spontaneous:age"] <- d$spontaneous
    for (level in c("12+ yrs", "6-11yrs")) {
      D[, paste0("age:education", level)] <- 1 * (d$education == level)
    }
    D
  }
)
levels_of <- list(education = levels(infert$education))
answers <- list()
for (method in c("dydx", "eydx")) {
  # The change of the logarithm is another function of levels: numbers alone.
  of <- if (method == "dydx") levels_of else list()
  answers[[paste("crossed", method)]] <- margins(crossed, infert, crossed_dX, of, method)
}
center <- infert[1, ]
for (v in c("age", "spontaneous")) center[[v]] <- mean(infert[[v]])
most <- names(which.max(table(infert$education)))
center$education <- factor(most, levels = levels(infert$education))
answers[["crossed at the mean"]] <- margins(crossed, center, crossed_dX, levels_of)

# ---- powers, logarithms ---------------------------------------------------------------------------
power <- fit_of(parity ~ age + I(age^2) + I(age^3) + education, poisson(), infert)
power_dX <- list(age = function(d, X) {
  D <- blank(X)
  D[, "age"] <- 1
  D[, "I(age^2)"] <- 2 * d$age
  D[, "I(age^3)"] <- 3 * d$age^2
  D
})
for (method in c("dydx", "eyex")) {
  of <- if (method == "dydx") levels_of else list()
  answers[[paste("powers", method)]] <- margins(power, infert, power_dX, of, method)
}

ratio <- fit_of(mpg ~ log(hp) * wt, Gamma("log"), cars)
ratio_dX <- list(
  hp = function(d, X) {
    D <- blank(X)
    D[, "log(hp)"] <- 1 / d$hp
    D[, "log(hp):wt"] <- d$wt / d$hp
    D
  },
  wt = function(d, X) {
    D <- blank(X)
    D[, "wt"] <- 1
    D[, "log(hp):wt"] <- log(d$hp)
    D
  }
)
for (method in c("dydx", "eyex", "dyex", "eydx")) {
  answers[[paste("logarithm", method)]] <- margins(ratio, cars, ratio_dX, list(), method)
}

# ---- a spline, with knots at the default quantiles --------------------------------------------------
spline <- fit_of(case ~ bs(age, df = 5) + spontaneous, binomial(), infert)
basis <- bs(infert$age, df = 5)
knots <- c(rep(min(infert$age), 4), attr(basis, "knots"), rep(max(infert$age), 4))
spline_dX <- list(
  age = function(d, X) {
    D <- blank(X)
    D[, 2:6] <- splineDesign(knots, d$age, ord = 4, derivs = rep(1, nrow(d)))[, -1]
    D
  },
  spontaneous = function(d, X) {
    D <- blank(X)
    D[, "spontaneous"] <- 1
    D
  }
)
answers[["spline dydx"]] <- margins(spline, infert, spline_dX)

# ---- emmeans says the same of levels ----------------------------------------------------------------
library(emmeans)
grid <- ref_grid(crossed, counterfactuals = "education")
means <- emmeans(regrid(grid), "education")
pairs <- as.data.frame(contrast(means, "trt.vs.ctrl"))
mine <- answers[["crossed dydx"]]
stopifnot(isTRUE(all.equal(pairs$estimate, as.numeric(mine$effect[3:4]), tolerance = 1e-8)))
stopifnot(isTRUE(all.equal(pairs$SE, as.numeric(mine$se[3:4]), tolerance = 1e-8)))

data <- list(
  infert = lapply(infert, function(x) if (is.factor(x)) as.character(x) else x),
  cars = as.list(cars)
)
version <- function(name) as.character(packageVersion(name))
made <- list(R = as.character(getRversion()), emmeans = version("emmeans"))
cat(toJSON(list(versions = made, data = data, answers = answers), digits = NA, auto_unbox = TRUE))
cat("\n")
