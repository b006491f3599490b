"""Keras: `.keras` and `.h5`, read without it. Nothing of a file is imported, built or executed."""
