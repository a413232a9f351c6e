"""Labels of channels sent through a net's own forward: which channels belong together."""
