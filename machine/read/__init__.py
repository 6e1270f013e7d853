"""The one read path: queries, pages, links, representation."""
