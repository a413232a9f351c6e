"""The study file: YAML to StudySpec, with every mistake told at once; options, terms and teacher cards."""
