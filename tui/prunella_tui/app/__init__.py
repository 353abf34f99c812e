"""The Textual application. It imports Textual, so the command line imports it late."""
