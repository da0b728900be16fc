"""Fuzzes what reads a model's text, guided by the lines of the code that a text reaches.

    python -m tests.fuzz reader|stream|tex [-max_total_time=60] [other options of libFuzzer]

An exception, a text that ends otherwise in other pieces, or one that takes over 10 seconds is a
fault; libFuzzer leaves it in `build/fuzz/`. The corpus there begins with `tests/texts/`. Texts are
short, since every piece has the open block read again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import atheris

# What is imported here is watched.
with atheris.instrument_imports(include=["glm_jupyter"], enable_loader_override=False):
    from glm_jupyter.api.errors import GLMError
    from glm_jupyter.api.stream import StreamDecoder
    from glm_jupyter.render.reader import Reader, read
    from glm_jupyter.render.references import References
    from glm_jupyter.render.tex import formula

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "tests" / "texts"
BUILD = ROOT / "build" / "fuzz"
EVENT = "\n\n"


def reader(data: bytes) -> None:
    """The first byte says how long the pieces are."""
    text = data[1:].decode(errors="ignore")
    length = data[0] % 16 + 1 if data else 1
    growing = Reader()
    for at in range(0, len(text), length):
        growing.feed(text[at : at + length])
        growing.parts()
    growing.end()
    assert growing.markdown() == read(text)


def stream(data: bytes) -> None:
    """The data of events, with an empty line between them."""
    decoder = StreamDecoder()
    try:
        for event in data.decode(errors="replace").split(EVENT):
            decoder.decode(event)
        decoder.rest()
        list(decoder.flush())
    except GLMError:
        pass


def tex(data: bytes) -> None:
    """The first byte says where the formula stands."""
    body = data[1:].decode(errors="ignore")
    where = data[0] if data else 0
    formula(body, display=bool(where & 1), cell=bool(where & 2), references=References())


def texts() -> Iterator[str]:
    """Texts as models write them, and as attackers do."""
    for path in TEXTS.glob("*.md"):
        yield path.read_text("utf-8")
    for name in ("render", "formulas"):
        for case in json.loads((TEXTS / f"{name}.json").read_text("utf-8")):
            yield case["text"]
    for payloads in json.loads((TEXTS / "payloads.json").read_text("utf-8")).values():
        yield from payloads


def formulas() -> Iterator[str]:
    for case in json.loads((TEXTS / "tex.json").read_text("utf-8")):
        yield case["tex"]


def streams() -> Iterator[str]:
    """An answer in every dialect: text, reasoning, calls, usage, sources, errors."""
    call = {"index": 0, "id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}}
    deltas: list[dict[str, object]] = [
        {"content": "<think>Hm.</think>Hello."},
        {"content": [{"type": "text", "text": "Hello."}]},
        {"reasoning_content": "Hm.", "content": None},
        {"reasoning": "Hm."},
        {"tool_calls": [call]},
        {"tool_calls": [{**call, "index": -1}]},
        {"audio": {"id": "1", "data": "UklGRg==", "expires_at": 1}},
        {"refusal": "No."},
    ]
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"total_tokens": 3}}
    source = {"web_search": [{"title": "a", "link": "https://b.c", "refer": "ref_1"}]}
    error = {"error": {"code": "1305", "message": "busy"}}
    for delta in deltas:
        events = [{"id": "1", "model": "glm", "choices": [{"index": 0, "delta": delta}]}, end]
        yield EVENT.join([*map(json.dumps, events), "[DONE]"])
    yield EVENT.join(map(json.dumps, [source, error]))


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], Iterable[str]], bytes]] = {
    "reader": (reader, texts, b"\x02"),
    "stream": (stream, streams, b""),
    "tex": (tex, formulas, b"\x01"),
}


def main() -> None:
    name, *options = sys.argv[1:] or [""]
    if name not in TARGETS:
        sys.exit(__doc__)
    target, seeds, lead = TARGETS[name]
    corpus = BUILD / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(lead + seed.encode())
    found = f"-artifact_prefix={BUILD}/{name}-"
    atheris.Setup(
        [sys.argv[0], "-timeout=10", "-max_len=300", found, *options, str(corpus)], target
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
