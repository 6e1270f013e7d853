"""Event streams: many in one process, fed by one thread, ended with what they rest on."""
