"""Copies models to another store: a plan of what is written there, and the one mutator of that store."""
