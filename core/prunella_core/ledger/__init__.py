"""What earlier runs saw and did: ages, verdicts, the log."""
