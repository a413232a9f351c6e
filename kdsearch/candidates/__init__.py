"""Candidates, the spaces they are drawn from, and the windows of costs that they must lie in; no torch."""
