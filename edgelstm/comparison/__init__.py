"""What a network costs and keeps in a precision: what `export`, `profile`, `compare` say alike."""
