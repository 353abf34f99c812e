"""The keys that do something here and now, as many as fit."""

from collections.abc import Sequence

from textual.content import Content

from prunella_tui.app.bindings import Key, shown
from prunella_tui.app.widgets.line import Line


class KeyLine(Line):
    """Where room is short the least important keys leave first."""

    DEFAULT_CSS = """
    KeyLine { link-style: none; link-color: $foreground; link-background-hover: $primary 40%; }
    """

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._keys: Sequence[Key] = ()

    def show(self, keys: Sequence[Key]) -> None:
        """Show ``keys`` in their order."""
        self._keys = keys
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        room, kept = self.size.width - 2, set[Key]()
        for key in sorted(self._keys, key=lambda key: key.rank):
            if sum(len(_label(other)) + 2 for other in {*kept, key}) - 2 <= room:
                kept.add(key)
        self.say(*(_label(key) for key in self._keys if key in kept), between="  ")


def _label(key: Key) -> Content:
    sign = Content.styled(shown(key.keys).split()[0], "bold $text-accent")
    return Content.assemble(sign, f" {key.label}").stylize(f"@click=screen.{key.action}")
