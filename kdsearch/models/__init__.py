"""Nets: where they come from, and what is done to whole ones."""
