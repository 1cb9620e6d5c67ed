"""Encoders: loading, students, heads, their parts, and what happens inside of them."""
