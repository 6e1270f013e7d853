"""What a declaration means: compiled, linted, indexed."""
