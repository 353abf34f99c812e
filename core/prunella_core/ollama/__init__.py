"""What Ollama writes and answers: names, digests, manifests, its server's API."""
