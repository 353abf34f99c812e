"""From the first bytes of a blob to a line that says what it is. Pure, and never surprised by what the bytes hold."""

from prunella_core.advice.identify.gguf import describe_gguf
from prunella_core.advice.identify.tensors import describe_tensors
from prunella_core.advice.identify.texts import describe_text


def identify(head: bytes, size: int) -> str | None:
    """Say in a clean line what a blob of ``size`` bytes that begins with ``head`` is; ``None`` where it tells nothing.

    It knows what models are made of: weights (GGUF, safetensors), configs, parameters, messages, templates, licences
    and other text. A part of the head that cannot be read ends the reading; it is never an error.
    """
    return describe_gguf(head) or describe_tensors(head, size) or describe_text(head, size)
