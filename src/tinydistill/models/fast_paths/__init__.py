"""Optimizations: each says which public path computes the same, and how it is switched off."""
