"""Measuring suites, one file each."""
