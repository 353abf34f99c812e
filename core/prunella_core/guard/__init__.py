"""Keeps what Ollama deletes: a mirror of hard links, from which what vanished goes to the trash."""
