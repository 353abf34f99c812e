"""What an Ollama model store takes, what a removal would give back, and the removal itself.

Data flows one way: ``store.locate`` → ``scan`` → ``Inventory`` → ``planning`` → ``Plan`` → ``apply`` → ``Receipt``.
Sizes are bytes, times are seconds since the epoch (UTC). Nothing here draws, prints or reads the environment.
"""

__version__ = "0.1.0"
