"""What people and other programs learn of events: notifications, their stream, e-mail digests, webhooks.

All of it feeds on the event log, in its order, so that nothing is told that did not happen.
Deliveries are jobs: tried again with growing pauses, and written down.
"""
