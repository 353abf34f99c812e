"""The command line. Start-up is its first feature: what a command does not need is not imported."""
