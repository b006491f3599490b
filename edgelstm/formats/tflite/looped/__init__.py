"""Recurrent layers that a converter left as loops of small operators: followed to their cells."""
