"""The words of every record, once: neutral lines that the terminal and the application draw alike."""
