"""Structure of a set: what its YAML files may say, declared once, and how they are read."""
