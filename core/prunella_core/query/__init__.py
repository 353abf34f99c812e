"""A small language for filters: words that must occur, and terms like ``size>5GB`` or ``state:partial``."""

from prunella_core.query.fields import FIELDS, Rows
from prunella_core.query.language import Query, Term, by_terms, parse, select, with_terms

__all__ = ["FIELDS", "Query", "Rows", "Term", "by_terms", "parse", "select", "with_terms"]
