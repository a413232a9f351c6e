"""Generators of weights, their training, and the scores that generated weights give."""
