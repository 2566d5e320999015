"""Databases as sources: tables and queries, read in pages of exact JSON."""
