"""What a scan found, as plain frozen records."""
