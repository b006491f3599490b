"""What a layer is made of: weights and directions."""
