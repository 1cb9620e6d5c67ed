"""The directories that stages publish: whole or not at all, with their provenance."""
