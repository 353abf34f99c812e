"""Sample stores: one builder that writes the forms Ollama writes, and the store of ``prunella demo``."""

from prunella_core.sample.builder import StoreBuilder
from prunella_core.sample.demo import build_demo_store

__all__ = ["StoreBuilder", "build_demo_store"]
