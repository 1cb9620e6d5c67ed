"""How fast this machine is, and how fast the work is on it."""
