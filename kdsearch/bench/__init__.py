"""Measuring suites, one file each with a ``run``; files named base* are shared by suites."""
