"""Data that a search trains on, the default trainer, and how good what came out is."""
