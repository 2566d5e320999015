"""Migrations over Alembic: a project's environment, how models and tables are compared, and the operations of
revisions.

A revision says `from strandline.warehouse.migration import online, schemas`: `online` changes a warehouse
that is in use, and `schemas` says what the layers' schemas are called where it runs.
"""
