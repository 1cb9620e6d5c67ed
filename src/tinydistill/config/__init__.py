"""Typed configuration: what there is to choose, its checks, and the objects that are built from it."""
