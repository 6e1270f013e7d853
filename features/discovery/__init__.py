"""What to watch next, found by words or by other programs: feeds, search, Atom, oEmbed, sitemaps.

Rankings are made by jobs and kept; a page of a feed costs as many commands as a page of a list.
Nothing here decides who may see a video: every candidate passes the one read path.
"""
