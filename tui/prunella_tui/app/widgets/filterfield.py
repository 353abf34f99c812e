"""The field in which a filter is typed."""

from textual import on
from textual.message import Message
from textual.widgets import Input

from prunella_tui.app.widgets.still import StillInput


class FilterField(StillInput):
    """Open only while something is typed; what is typed goes out as messages, one for each letter."""

    DEFAULT_CSS = """
    FilterField { display: none; height: 1; padding: 0 1; background: $boost; }
    FilterField.-open { display: block; }
    FilterField.-wrong { color: $text-error; }
    """

    class Typed(Message):
        """The filter is another."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The filter is as it shall be."""

    def __init__(self) -> None:
        super().__init__(id="filter", compact=True)

    @property
    def is_open(self) -> bool:
        """Whether something can be typed."""
        return self.has_class("-open")

    def open(self, text: str, placeholder: str) -> None:
        """Begin with ``text``."""
        self.add_class("-open")
        self.placeholder = placeholder
        self.value = text
        self.focus()

    def warn(self, error: str) -> None:
        """Look wrong as long as there is an ``error``."""
        self.set_class(bool(error), "-wrong")

    def close(self) -> None:
        """Go away."""
        self.remove_class("-open")
        self.post_message(self.Closed())

    @on(Input.Changed)
    def _type(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        self.close()
