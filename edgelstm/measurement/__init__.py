"""Measuring: time of a step on this machine, per engine, and how sure the comparison is."""
