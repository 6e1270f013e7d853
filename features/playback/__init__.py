"""Who may watch a film, and how: publication, passwords, signed URLs, captions, the storyboard's track.

A URL that is given out opens what it was made for and no longer than the right it stands for.
Publication is one moment: public and published together, or neither.
"""

from features.playback.publish_jobs import make_public
from features.playback.watchable import KEY, require_file, require_watchable

__all__ = ["KEY", "make_public", "require_file", "require_watchable"]
