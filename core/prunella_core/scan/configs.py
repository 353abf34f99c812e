"""What a model's config blob says of it (Ollama's ``ConfigV2``): family, parameters, quantization, remote host."""

import msgspec
from msgspec import Struct

from prunella_core.fs.files import read_small
from prunella_core.inventory.records import Details

_LARGEST_CONFIG = 1024 * 1024


class _Config(Struct):
    model_family: str | None = None
    model_type: str | None = None
    file_type: str | None = None
    remote_host: str | None = None
    remote_model: str | None = None


_DECODER = msgspec.json.Decoder(_Config)
UNKNOWN = Details()


def read_config(path: str) -> Details:
    """Return what the config at ``path`` says; a config that is missing or no config says nothing.

    Details only describe: whether a blob is there, and whether it is whole, is judged elsewhere.
    """
    try:
        data = read_small(path, _LARGEST_CONFIG)
        config = _DECODER.decode(data) if data else _Config()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return UNKNOWN
    return Details(
        family=config.model_family or None,
        parameters=config.model_type or None,
        quantization=config.file_type or None,
        remote_host=config.remote_host or None,
        remote_model=config.remote_model or None,
    )
