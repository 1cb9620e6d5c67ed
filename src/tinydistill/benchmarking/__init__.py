"""How fast this machine is, and how much of that the work uses: objects in, numbers out."""
