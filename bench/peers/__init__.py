"""The peers and the floors of the benchmark; each is a server of its own."""
