"""A workspace to begin with: its files, and where a source that is added later has its place in it."""
