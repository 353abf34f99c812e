"""What everything else stands on: units, text, errors, encoding. Knows nothing of stores."""

__version__ = "0.1.0"
