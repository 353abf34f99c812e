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
        keys = list(self._keys)
        while keys and sum(len(_label(key)) + 2 for key in keys) - 2 > self.size.width - 2:
            keys.remove(max(reversed(keys), key=lambda key: key.rank))
        self.say(*map(_label, keys), between="  ")


def _label(key: Key) -> Content:
    sign = Content.styled(shown(key.keys).split()[0], "bold $text-accent")
    return Content.assemble(sign, f" {key.label}").stylize(f"@click=screen.{key.action}")
