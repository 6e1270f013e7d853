"""One promise a module: `run(quick)` does what would break it, and returns what came of that as rows of the report."""
