"""Files as sources: which are new, whether they are whole, and their rows in pages."""
