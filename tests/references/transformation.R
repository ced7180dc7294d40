# Models whose transformation of y is a step at every value, by R: proportional odds of the weights
# of cats' hearts, and Cox's model of the times of patients with lung cancer, some censored. Run
# `Rscript transformation.R > transformation.json`.

suppressMessages({
  library(jsonlite)
  library(MASS)
  library(survival)
})

odds <- polr(factor(Hwt) ~ Bwt + Sex, data = cats, Hess = TRUE, control = list(reltol = 1e-15))
lung <- na.omit(survival::lung[, c("time", "status", "age", "sex", "ph.ecog")])
hazards <- coxph(Surv(time, status) ~ age + sex + ph.ecog, data = lung, control = coxph.control(eps = 1e-12))

columns <- function(fit, n) {
  list(coef = unname(coef(fit)), bse = unname(sqrt(diag(vcov(fit))))[seq_len(n)])
}
out <- list(
  versions = list(
    R = as.character(getRversion()), MASS = as.character(packageVersion("MASS")),
    survival = as.character(packageVersion("survival"))
  ),
  cats = list(
    y = cats$Hwt, Bwt = cats$Bwt, male = as.integer(cats$Sex == "M"), polr = columns(odds, 2)
  ),
  lung = c(
    as.list(lung), list(coxph = columns(hazards, 3))
  )
)
cat(toJSON(out, digits = NA, auto_unbox = TRUE), "\n", sep = "")
