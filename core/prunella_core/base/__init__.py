"""What everything else stands on: units, text, errors, encoding. Knows nothing of stores."""
