"""All that knows Eve: the application, its data layer, validator and renderer."""
