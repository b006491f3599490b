"""What lies on disk: what can be read of it, and the one way of writing."""
