"""What the web processes hand to the workers."""
