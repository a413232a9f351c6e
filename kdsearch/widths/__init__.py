"""The channel groups of any net, and what follows from a gene: crop, build, costs, and the proof that they agree."""
