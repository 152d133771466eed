"""The servers that `make run` brings along when no address of another one is given."""
