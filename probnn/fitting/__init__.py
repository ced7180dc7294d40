"""Fitting: what is minimised, what is added to it, and the one door that chooses the solver."""
