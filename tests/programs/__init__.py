"""Clients that nobody here wrote, made from the OpenAPI document and run against the whole platform."""
