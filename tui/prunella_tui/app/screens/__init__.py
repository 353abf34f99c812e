"""The screens: each with its style sheet next to it."""

import os


def sheet(name: str) -> str:
    """Return the path of a style sheet here. Absolute, since Textual resolves no link in it."""
    return os.path.join(os.path.dirname(__file__), f"{name}.tcss")
