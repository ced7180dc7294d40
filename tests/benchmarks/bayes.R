# rstanarm's part of bayes.py: Rscript bayes.R DATA.csv FORMULA FAMILY SEED
# prints the smallest effective number of draws, the seconds, those of the processor, and gradients.
suppressMessages(library(rstanarm))
given <- commandArgs(trailingOnly = TRUE)
data <- read.csv(given[1], check.names = FALSE)
family <- switch(given[3],
  bernoulli = binomial(), poisson = poisson(), negative_binomial = neg_binomial_2()
)
aux <- if (given[3] == "negative_binomial") list(prior_aux = cauchy(0, 1)) else list()
time <- system.time(fit <- do.call(stan_glm, c(list(
  as.formula(given[2]),
  data = data, family = family, prior = normal(0, 2.5), prior_intercept = normal(0, 2.5),
  chains = 4, iter = 1500, warmup = 500, cores = 1, refresh = 0, seed = as.integer(given[4])
), aux)))
draws <- as.array(fit)
least <- min(apply(draws, 3, posterior::ess_bulk))
steps <- rstan::get_sampler_params(fit$stanfit, inc_warmup = FALSE)
gradients <- mean(sapply(steps, function(chain) mean(chain[, "n_leapfrog__"])))
cat("\nfound", least, time[["elapsed"]], time[["user.self"]] + time[["sys.self"]], gradients, "\n")
