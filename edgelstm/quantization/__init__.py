"""From real numbers to integers, and what the integers mean."""
