"""What people do with videos, by people who mean no good, many at once, and interrupted."""
