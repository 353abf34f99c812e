"""An inventory or a receipt as a document."""
