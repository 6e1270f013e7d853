"""What viewers do with films and with each other: rate, comment, subscribe, keep in playlists.

Ratings and subscriptions are set, never toggled, so that a retry changes nothing.
Comments have one level of replies; what is left of a thread is decided in `threads`.
"""
