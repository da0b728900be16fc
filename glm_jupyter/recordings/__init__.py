"""Answers kept in a file, and played from it."""
