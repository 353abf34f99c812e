"""What an operation will do: pure functions of an inventory, a request and the time."""
