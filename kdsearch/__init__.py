"""Finds the best compact student of a CNN under a budget, trains it and exports it for a mobile CPU."""
