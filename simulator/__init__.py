"""Runs a script kernel under its limits on your own desk, and says what happened."""
