"""Designs: the columns that linear predictors are made of."""
