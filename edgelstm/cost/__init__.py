"""What a network costs: operations, bytes, cycles, energy."""
