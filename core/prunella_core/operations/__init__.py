"""Carries plans out, for every front end."""
