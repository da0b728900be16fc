"""The head of a GGUF file: read when it is whole, refused when it is anything else."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.api.errors import InputError
from glm_jupyter.engine.gguf import Head, read_head


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def gguf(*entries: bytes) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries)


ARCHITECTURE = entry("general.architecture", 8, text("glm4"))
CONTEXT = entry("glm4.context_length", 4, struct.pack("<I", 32768))
OTHERS = [
    entry("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("béta")),
    entry("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 3) + bytes(12)),
    entry("glm4.rope.freq_base", 6, struct.pack("<f", 1e4)),
    entry("general.name", 8, text("GLM-4 9B")),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "model.gguf"


def test_the_embedded_model(weights: Path) -> None:
    assert read_head(weights) == Head("llama", 8192)


@given(entries=st.permutations([ARCHITECTURE, CONTEXT, *OTHERS]))
def test_the_order_of_entries_does_not_matter(file: Path, entries: list[bytes]) -> None:
    file.write_bytes(gguf(*entries))
    assert read_head(file) == Head("glm4", 32768)


def test_a_window_may_be_missing(file: Path) -> None:
    file.write_bytes(gguf(ARCHITECTURE, *OTHERS))
    assert read_head(file) == Head("glm4", None)


@given(data=st.binary(max_size=200))
def test_anything_else_is_refused(file: Path, data: bytes) -> None:
    file.write_bytes(b"GGUF\x03\0\0\0" + data)
    with pytest.raises(InputError, match="GGUF"):
        read_head(file)


@given(length=st.integers(0, len(gguf(*OTHERS, ARCHITECTURE, CONTEXT)) - 1))
def test_a_cut_off_head_is_refused(file: Path, length: int) -> None:
    file.write_bytes(gguf(*OTHERS, ARCHITECTURE, CONTEXT)[:length])
    with pytest.raises(InputError, match="GGUF"):
        read_head(file)
