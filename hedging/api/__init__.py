"""The REST API under /api/hedge/: thin views over selectors and engine functions."""
