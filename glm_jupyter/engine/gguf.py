"""The head of a GGUF file: enough to know that it is one, and its model's context window.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _

_MAGIC = b"GGUF"
_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Head:
    """What a GGUF file says of itself; `context` is in tokens, None where it does not say."""

    architecture: str
    context: int | None


def read_head(path: Path) -> Head:
    """Read the head of the GGUF file at `path`.

    Raises InputError where there is no such file, or it is no GGUF file or a damaged one.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file).head()
    except OSError as error:
        raise InputError(
            _("The model file {path} cannot be read: {error}.").format(
                path=path, error=error.strerror
            ),
            remedy=_("Give the path of a GGUF file: %glm local use FILE.gguf"),
        ) from error
    except (ValueError, struct.error) as error:
        raise InputError(
            _("{file} is not a GGUF model file, or a damaged one ({error}).").format(
                file=path.name, error=error
            ),
            remedy=_(
                "Give a whole file in llama.cpp's GGUF format; "
                "safetensors and PyTorch files need converting first."
            ),
        ) from error


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def head(self) -> Head:
        if self._file.read(4) != _MAGIC:
            raise ValueError(_("it does not begin with GGUF"))
        version = self._number("I")
        if version not in (2, 3):
            raise ValueError(_("version {version} is not known").format(version=version))
        self._number("Q")  # how many tensors
        values: dict[str, object] = {}
        for _entry in range(int(self._number("Q"))):
            key = self._string()
            values[key] = self._value(int(self._number("I")))
            architecture = values.get("general.architecture")
            context = values.get(f"{architecture}.context_length")
            # The rest, the vocabulary above all, is long and of no use here.
            if isinstance(architecture, str) and isinstance(context, int):
                return Head(architecture, context)
        architecture = values.get("general.architecture")
        if not isinstance(architecture, str):
            raise ValueError(_("it names no architecture"))  # noqa: TRY004, the file is at fault
        return Head(architecture, None)

    def _bytes(self, size: int) -> bytes:
        if size > 1 << 24:
            raise ValueError(_("a text in its head is too long"))
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError(_("it ends too early"))
        return data

    def _number(self, code: str) -> int | float | bool:
        number: int | float | bool
        (number,) = struct.unpack(f"<{code}", self._bytes(struct.calcsize(f"<{code}")))
        return number

    def _string(self) -> str:
        return self._bytes(int(self._number("Q"))).decode("utf-8", "replace")

    def _value(self, kind: int) -> object:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._skip_array()
            return None
        raise ValueError(_("value type {kind} is not known").format(kind=kind))

    def _skip_array(self) -> None:
        kind, length = int(self._number("I")), int(self._number("Q"))
        if kind in _NUMBERS:
            self._file.seek(length * struct.calcsize(f"<{_NUMBERS[kind]}"), 1)
        elif kind == _STRING:
            for _item in range(length):
                self._string()
        else:
            raise ValueError(_("an array of type {kind} is not known").format(kind=kind))
