"""Folders of C on emulated cores: compiled, run, counted, without a board."""
