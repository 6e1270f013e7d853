"""What the declarations mean: compiled, checked, and applied to reads and writes."""
