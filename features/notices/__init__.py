"""What people and other programs learn of events: notifications, their stream, e-mail digests, webhooks.

All of it feeds on the event log, in its order, so that nothing is told that did not happen. A schema declares who is
told of what (`notices`); what each person is owed stands in a part of its own (`parts.py`) until it is told, and is
taken back when it is undone before it was read.
Deliveries are jobs: tried again with growing pauses, and written down.
"""
