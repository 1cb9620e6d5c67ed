"""Labeled rows: read, encoded, in batches."""
