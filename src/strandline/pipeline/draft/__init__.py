"""A source, a model and a mapper as Python, written from what a sample or a document tells."""
