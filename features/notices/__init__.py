"""Who is told what: notifications, their stream, e-mail digests, and webhooks of other programs.

All of it feeds on the event log, in its order, so that nothing is told that did not happen.
Deliveries are jobs: tried again with growing pauses, and written down.
"""
