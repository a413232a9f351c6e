"""Learning from a teacher alone: images that a generator makes up, and what keeps real ones out."""
