"""Showing an Answer: portable markdown, mathematics, live updates. Knows no network."""
