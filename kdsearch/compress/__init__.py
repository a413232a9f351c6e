"""Compression passes: one file a pass, named in a study under ``compress``."""
