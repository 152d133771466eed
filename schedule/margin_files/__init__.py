"""Margin files of the clearing corporations: read, checked against our engine, and turned into dated parameters."""
