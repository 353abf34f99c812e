"""One module a command, imported only when it is asked for. Each has a click command named ``command``."""
