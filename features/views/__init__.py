"""What counts as a view, how views reach the counters, and the statistics made of them.

A view counts once per viewer and window, by a published rule.
Views wait in Redis and are flushed exactly once, also by a process that dies on the way.
"""
