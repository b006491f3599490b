"""The command line: options, tables, progress, exit codes; no numerics."""
