"""Suggestions and forecasts. They read an inventory and change nothing."""
