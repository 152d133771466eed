"""Chaos: schedules of disasters over the production order protocol, judged by what a simulated gateway really holds."""
