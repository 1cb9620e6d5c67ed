"""Faster ways to compute the same, each beside the public one that it stands for."""
