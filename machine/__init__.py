"""What turns declarations into an API. Nothing here names a resource."""
