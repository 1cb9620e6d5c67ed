"""Rows made from the rows of a task: words, candidates for them, and their replacement."""
