"""What ``--json`` prints: the fields that scripts may rely on. Sizes are bytes, unknown is ``null``, text is clean."""
