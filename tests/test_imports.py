"""No module imports itself by a detour: imports in functions and for types count too."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {"prunella_core": ROOT / "core", "prunella_tui": ROOT / "tui"}


def _modules() -> dict[str, Path]:
    found = {}
    for package, folder in PACKAGES.items():
        for path in (folder / package).rglob("*.py"):
            name = ".".join(path.relative_to(folder).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def _imports(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in modules or node.module in modules:
                    yield inner if inner in modules else node.module


def _cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules of which each leads to every other."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in graph[waiting.pop()] - seen:
                seen.add(name)
                waiting.append(name)
        reach[start] = seen
    groups = {
        frozenset({other for other in reach[name] if name in reach[other]}) for name in graph if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def test_a_circle_is_found() -> None:
    assert _cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_imports_in_a_circle() -> None:
    modules = _modules()
    assert len(modules) > 50
    graph = {name: set(_imports(path, modules)) - {name} for name, path in modules.items()}
    assert _cycles(graph) == []
