"""A graph of a file or a module, followed symbolically to the network that it computes."""
