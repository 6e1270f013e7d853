"""Measures Marquee against its peers and floors, as ratios in one interleaved run: `python -m bench`."""
