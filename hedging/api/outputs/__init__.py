"""Outputs of the API: selectors' values as JSON, every field named. Money is text, so that no reader rounds it."""
