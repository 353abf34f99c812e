"""Completion in the shell: which names and digests there are."""

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_PRUNELLA_COMPLETE"


class _BashWithColons(BashComplete):
    """Bash takes a colon for the end of a word, and model names are full of them."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Put the words together again that Bash took apart at colons."""
        words = split_arg_string(os.environ["COMP_WORDS"])
        before, current = words[1 : int(os.environ["COMP_CWORD"])], words[int(os.environ["COMP_CWORD"]) :][:1]
        whole: list[str] = []
        for word in (*before, *(current or [""])):
            joins = whole and (word.startswith(":") or whole[-1].endswith(":"))
            whole[-1:] = [whole[-1] + word] if joins else [*whole[-1:], word]
        self._typed = whole[-1]
        return whole[:-1], whole[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Leave out what Bash believes to be a word before this one."""
        done = self._typed.rpartition(":")[:2]
        item.value = item.value.removeprefix("".join(done))
        return super().format_completion(item)


add_completion_class(_BashWithColons)


def script(shell: str) -> str:
    """Return what the shell has to evaluate."""
    from prunella_tui.cli.root import root

    kind = get_completion_class(shell)
    assert kind is not None
    return kind(root, {}, "prunella", _VARIABLE).source()
