"""The command line and the Textual application of Prunella: they show what core knows, and ask it to act."""
