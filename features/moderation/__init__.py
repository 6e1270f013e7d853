"""What moderators decide: reports, blocked videos, people kept out of a channel or of the site.

People decide, and each decision is in the audit log.
No number of reports hides anything by itself.
"""
