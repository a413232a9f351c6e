"""Nets: where they come from, how their channels crop, how their weights are generated."""
