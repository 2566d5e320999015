"""Repositories: a warehouse as application code reads and writes it, without SQL."""
