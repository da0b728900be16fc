"""Make the demo notebooks' recordings anew: `python -m tests.notebooks.record_samples [NAME ...]`.

A stand-in for the service plays the texts of `demo_notebooks/samples/NAME.md`, and the notebook
itself asks for them while the project's own recorder listens: so a recording is in the true
format, and its requests are the notebook's. It is run from its `%glm replay` to the
`%glm replay off`, if it has one. Token counts are estimates, and the pace is the stand-in's.

In a text file, `<!-- to: PHRASE -->` begins the reply to a question that holds the phrase, its
line breaks read as spaces; `<think>` at its head is the reasoning, and
`<!-- call: NAME {"argument": 1} -->` a function call.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from glm_jupyter.api import tokens
from tests.notebooks.sample_media import playing
from tests.protocol_server import ProtocolServer, Reply, Request

FOLDER = Path(__file__).parents[2] / "demo_notebooks"
SAMPLES = FOLDER / "samples"
# Before every text that is shown as an answer, so that none is taken for a model's.
LABEL = "> **A sample**, written for this notebook. No model was asked.\n\n"
INLINE = "glm-z1"  # models whose reasoning is part of the text

_REPLY = re.compile(r"^<!-- to: (.+?) -->\n", re.MULTILINE)
_CALL = re.compile(r"^<!-- call: (\w+) (\{.*\}) -->\n?", re.MULTILINE)
_THOUGHT = re.compile(r"\A<think>\n(.*?)\n</think>", re.DOTALL)
_REPLAY = re.compile(r"%glm replay samples/(\w+)\.glm\.jsonl")


@dataclass
class Sample:
    """A written reply, and the phrase of the question it is for."""

    phrase: str
    text: str
    reasoning: str
    calls: list[dict[str, object]]

    def reply(self, request: Request) -> Reply:
        """The reply as the service would stream it."""
        inline = request.json["model"].startswith(INLINE)
        thought = tokens.estimate(self.reasoning)
        said = tokens.estimate(self.text) + sum(tokens.estimate(str(call)) for call in self.calls)
        return Reply(
            self.text,
            reasoning=self.reasoning,
            reasoning_field="inline" if inline else "reasoning_content",
            tool_calls=self.calls,
            finish_reason="tool_calls" if self.calls else "stop",
            chunk=24,
            pause=0.02,
            prompt_tokens=tokens.estimate(request.json["messages"]),
            completion_tokens=thought + said,
            reasoning_tokens=thought if thought and not inline else None,
        )


def samples(name: str) -> list[Sample]:
    """The written replies of a notebook; what `sample_media` makes has none."""
    if not (SAMPLES / f"{name}.md").exists():
        return []
    parts = _REPLY.split((SAMPLES / f"{name}.md").read_text(encoding="utf-8"))[1:]
    return [_sample(phrase, body) for phrase, body in zip(parts[::2], parts[1::2], strict=True)]


def _sample(phrase: str, body: str) -> Sample:
    calls: list[dict[str, object]] = [
        {"name": name, "arguments": json.loads(arguments)}
        for name, arguments in _CALL.findall(body)
    ]
    body = _CALL.sub("", body).strip()
    thought = _THOUGHT.match(body)
    text = body[thought.end() :].strip() if thought else body
    labelled = text if not text or text.startswith("{") else LABEL + text
    return Sample(phrase, labelled, thought[1] if thought else "", calls)


def record(path: Path) -> int:
    """Record the answers of one notebook; how many there are, 0 if it replays none."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begin = next((n for n, cell in enumerate(cells) if _REPLAY.search(cell.source)), None)
    if begin is None:
        return 0
    end = next((n for n, cell in enumerate(cells) if "%glm replay off" in cell.source), None)
    notebook.cells = [nbformat.v4.new_code_cell("%load_ext glm_jupyter"), *cells[begin:end]]
    left = samples(path.stem)

    def respond(request: Request) -> Reply:
        question = " ".join(str(request.json["messages"][-1]["content"]).split())
        for sample in left:
            if sample.phrase in question:
                left.remove(sample)
                return sample.reply(request)
        print(f"{path.stem}: no sample is left for {question}", file=sys.stderr)
        return Reply(status=400, body={"error": {"code": "1210", "message": "no sample"}})

    made = SAMPLES / f"{path.stem}.glm.jsonl"
    with tempfile.TemporaryDirectory() as home, ProtocolServer() as server:
        server.respond = respond
        if path.stem == "media":
            server.making = playing()
        new = Path(home) / made.name
        replay = cells[begin]
        replay.source = _REPLAY.sub(lambda _: f"%glm record {new}", replay.source)
        env = {"HOME": home, "XDG_DATA_HOME": home, "ZAI_API_KEY": "a.key"}
        env |= {"ZAI_BASE_URL": server.url, "MPLBACKEND": "agg"}
        # What a lesson writes is not to stay in the project.
        lesson = shutil.copytree(FOLDER, Path(home) / "lesson")
        resources = {"metadata": {"path": str(lesson)}}
        client = NotebookClient(notebook, timeout=300, resources=resources)
        client.execute(env=os.environ | env)
        if left:
            raise SystemExit(f"{path.stem}: nobody asked for {[s.phrase for s in left]}")
        for file in [new, *new.parent.glob(f"{'[0-9a-f]' * 64}.*")]:
            shutil.copy(file, SAMPLES)
    return len(made.read_bytes().splitlines())


if __name__ == "__main__":
    for notebook in sorted(FOLDER.glob("*.ipynb")):
        if not sys.argv[1:] or notebook.stem in sys.argv[1:]:
            print(f"{notebook.stem}: {record(notebook)} answers recorded")
