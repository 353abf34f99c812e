"""The widgets: each owns its state and posts messages."""
