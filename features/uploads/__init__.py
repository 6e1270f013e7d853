"""From bytes to a film that plays: the ways in, the spool, the probe, the media store, what is made of a film.

An upload is safe once it is answered: the transaction that makes a video PROCESSING also records the job that is owed.
Every step may be repeated, and what is left over is found and deleted.
"""
