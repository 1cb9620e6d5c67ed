"""Thin wrappers around Lightning: the trainer, its progress and its loggers."""
