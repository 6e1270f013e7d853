"""Event streams: many in one process, fed by one thread, ended when their session or key ends."""
