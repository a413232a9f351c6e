"""Files that a runtime loads, each compared with the net it came from."""
