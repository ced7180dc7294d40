"""Generalized linear models: a statistician's answer from a neuron."""
