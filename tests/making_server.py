"""The part of the protocol fake that makes pictures, videos, sound and transcripts.

    with ProtocolServer() as server:
        server.making.states = ["PROCESSING", "SUCCESS"]
        server.making.fail("images/generations", 429, {"error": {"code": "1302", "message": "…"}})

What it gives is real: a PNG, an MP4 and a WAV file that players take.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import struct
import wave
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tornado.web
import tornado.websocket
from PIL import Image

if TYPE_CHECKING:
    from tests.protocol_server import ProtocolServer

REQUEST_ID = "20261126a1b2c3d4"
CLIP = Path(__file__).parent / "texts" / "clip.mp4"
RATE = 24_000  # samples a second of what is spoken


PAGES: list[list[dict[str, Any]]] = [
    [
        {"index": 0, "label": "text", "content": "# Covariance"},
        {"index": 1, "label": "text", "content": "For $n$ samples the matrix is"},
        {"index": 2, "label": "formula", "content": r"\Sigma = \frac{1}{n-1} X^\top X"},
        {"index": 3, "label": "image", "content": "https://aigc-files.bigmodel.cn/crop_1.png"},
    ],
    [
        {
            "index": 0,
            "label": "table",
            "content": "<table><tr><th colspan=2>pair</th><th>value</th></tr>"
            "<tr><td>x</td><td>y</td><td>0.5 | 0.7</td></tr></table>",
        },
        {"index": 1, "label": "text", "content": "<script>alert(1)</script>The end."},
    ],
]


@cache
def png(width: int = 1024, height: int = 1024) -> bytes:
    """A picture: a gradient of that size."""
    row = Image.linear_gradient("L").resize((width, height))
    file = io.BytesIO()
    Image.merge("RGB", (row, row.rotate(90).resize((width, height)), row)).save(file, "PNG")
    return file.getvalue()


def tone(seconds: float, rate: int = RATE, pitch: float = 440.0) -> bytes:
    """16-bit samples of a tone."""
    count = int(seconds * rate)
    wave_ = (int(9000 * math.sin(2 * math.pi * pitch * i / rate)) for i in range(count))
    return struct.pack(f"<{count}h", *wave_)


def wav(samples: bytes, rate: int = RATE) -> bytes:
    """A WAV file of 16-bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)
    return file.getvalue()


@dataclass
class Making:
    """What is made, and how."""

    picture: bytes | None = None  # None: a PNG of the size that was asked for
    video: bytes = field(default_factory=CLIP.read_bytes)
    cover: bytes = field(default_factory=lambda: png(320, 180))
    # Of each task: what each question about it is told; the last state stays.
    states: list[str] = field(default_factory=lambda: ["SUCCESS"])
    failure: dict[str, Any] = field(default_factory=dict)  # besides task_status FAIL
    size: str = "1024x1024"  # of the last picture that was asked for
    pages: list[list[dict[str, Any]]] = field(default_factory=lambda: [list(p) for p in PAGES])
    # What a recording says; None refuses it.
    transcript: str | Callable[[bytes], str | None] = "The quick brown fox."
    speech: bytes | None = None  # in place of a tone as long as the text
    # What a turn over the WebSocket is told, each a message; None cuts the connection.
    turn: list[Any] = field(default_factory=lambda: turn("Hello there.", tone(0.2)))
    # Knowledge bases: id -> name and documents; and files of the account.
    bases: dict[str, tuple[str, list[tuple[str, bytes]]]] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)
    # In place of the address of what was made.
    url: str | None = None
    delay: float = 0.0  # seconds before a reply
    files: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)  # id -> kind
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _failing: dict[str, deque[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(deque))

    def fail(self, path: str, status: int, body: Any, times: int = 1) -> None:
        """Refuse the next requests to `path`; a status of 0 cuts the connection, 200 without a
        body lets one pass.
        """
        self._failing[path].extend([(status, body)] * times)

    def failing(self, path: str) -> tuple[int, Any] | None:
        """How a request to `path` is to be refused, if it is."""
        for known, waiting in self._failing.items():
            if path.endswith(known) and waiting:
                return waiting.popleft()
        return None


def turn(text: str, samples: bytes) -> list[Any]:
    """The messages of a spoken turn."""
    half = len(samples) // 4 * 2
    return [
        {"type": "session.created"},
        {"type": "session.updated", "session": {"model": "glm-realtime-flash"}},
        {"type": "heartbeat"},
        {"type": "response.created"},
        {"type": "response.audio_transcript.delta", "delta": text[:5]},
        {"type": "response.audio.delta", "delta": base64.b64encode(samples[:half]).decode()},
        {"type": "response.audio_transcript.delta", "delta": text[5:]},
        {"type": "response.audio.delta", "delta": base64.b64encode(samples[half:]).decode()},
        {"type": "response.audio.done"},
        {
            "type": "response.done",
            "response": {
                "status": "completed",
                "usage": {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20},
            },
        },
    ]


def routes(server: ProtocolServer, handler: type) -> list[Any]:
    """The routes of the tornado application."""

    class Base(handler):  # type: ignore[misc, valid-type]
        @property
        def making(self) -> Making:
            return self.server.making  # type: ignore[no-any-return]

        def prepare(self) -> None:
            super().prepare()
            if self.get_status() != 200:
                return
            if refused := self.making.failing(self.record.path):
                status, body = refused
                if (status, body) == (200, None):
                    return
                if status == 0:
                    self.record.ended.set()
                    self.request.connection.stream.close()
                    raise tornado.web.Finish
                self.set_status(status)
                if isinstance(body, dict):
                    self.send(body)
                else:
                    if not body.startswith(b"<"):
                        self.set_header("Content-Type", "application/octet-stream")
                    self.finish(body)

        def made(self, name: str) -> str:
            return self.making.url or f"{self.server.root}/made/{name}"

    class Images(Base):
        async def post(self) -> None:
            self.making.size = self.record.json.get("size") or "1024x1024"
            await asyncio.sleep(self.making.delay)
            self.send(
                {
                    "created": 1795348800,
                    "request_id": REQUEST_ID,
                    "data": [{"url": self.made("picture.png")}],
                    "content_filter": [{"role": "assistant", "level": 3}],
                }
            )

    class Tasks(Base):
        kind = ""

        async def post(self) -> None:
            await asyncio.sleep(self.making.delay)
            task = f"{len(self.making.tasks) + 1:04}-{REQUEST_ID}"
            self.making.tasks[task] = self.kind
            asked = self.record.json
            self.making.size = asked.get("size") or "1024x1024"
            self.send(
                {
                    "id": task,
                    "model": asked["model"],
                    "request_id": REQUEST_ID,
                    "task_status": "PROCESSING",
                }
            )

    class AsyncImages(Tasks):
        kind = "image"

    class Videos(Tasks):
        kind = "video"

    class Result(Base):
        def get(self) -> None:
            task = self.record.path.rpartition("/")[2]
            making = self.making
            if task not in making.tasks:
                self.set_status(400)
                self.send({"error": {"code": "1214", "message": "任务不存在"}})
                return
            count = making.asked[task]
            making.asked[task] += 1
            state = making.states[min(count, len(making.states) - 1)]
            body: dict[str, Any] = {
                "model": "m",
                "request_id": REQUEST_ID,
                "task_status": state,
            }
            if state == "FAIL":
                body |= making.failure
            if state == "SUCCESS" and making.tasks[task] == "image":
                body["image_result"] = [{"url": self.made("picture.png")}]
            elif state == "SUCCESS":
                cover = self.made("cover.png")
                body["video_result"] = [{"url": self.made("video.mp4"), "cover_image_url": cover}]
            self.send(body)

    class Made(Base):
        open = True

        def get(self) -> None:
            name = self.record.path.rpartition("/")[2]
            making = self.making
            size = [int(side) for side in making.size.split("x")]
            known = {
                "picture.png": (200, {"Content-Type": "image/png"}, making.picture or png(*size)),
                "cover.png": (200, {"Content-Type": "image/png"}, making.cover),
                "video.mp4": (200, {"Content-Type": "video/mp4"}, making.video),
                **making.files,
            }
            status, headers, body = known.get(name, (404, {}, b"<html>gone</html>"))
            self.set_status(status)
            for header, value in headers.items():
                self.set_header(header, value)
            self.finish(body)

    class Speech(Base):
        async def post(self) -> None:
            await asyncio.sleep(self.making.delay)
            asked = self.record.json
            samples = tone(0.02 * len(asked["input"]))
            if self.making.speech is not None:
                self.finish(self.making.speech)
            elif asked.get("response_format") == "wav":
                self.set_header("Content-Type", "audio/wav")
                self.finish(wav(samples))
            else:
                self.set_header("Content-Type", "audio/pcm")
                self.finish(samples)

    class Transcriptions(Base):
        async def post(self) -> None:
            await asyncio.sleep(self.making.delay)
            (file,) = self.request.files["file"]
            said = self.making.transcript
            text = said(file["body"]) if callable(said) else said
            if text is None:
                self.set_status(400)
                self.send(
                    {"error": {"code": "1214", "message": "transcriptions不支持当前文件格式"}}
                )
                return
            asked = {name: values[0].decode() for name, values in self.request.arguments.items()}
            if asked.get("stream", "false").lower() != "true":
                self.send({"id": "1", "request_id": REQUEST_ID, "model": "m", "text": text})
                return
            self.set_header("Content-Type", "text/event-stream")
            for start in range(0, len(text), 8):
                frame = {"id": "1", "type": "transcript.text.delta", "delta": text[start:][:8]}
                self.write(f"data: {json.dumps(frame)}\n\n")
                await self.flush()
            self.write(f"data: {json.dumps({'id': '1', 'type': 'transcript.text.done'})}\n\n")
            self.finish("data: [DONE]\n\n")

    class Realtime(tornado.websocket.WebSocketHandler):
        def prepare(self) -> None:
            self.said: list[Any] = []
            server.turns.append(self.said)
            shown = self.request.headers.get("Authorization")
            if server.key is not None and shown != f"Bearer {server.key}":
                self.set_status(401)
                self.finish(json.dumps({"error": {"code": "1001", "message": "no key"}}))
            elif refused := server.making.failing(self.request.path):
                status, body = refused
                self.set_status(status)
                if 300 <= status < 400:
                    self.set_header("Location", body)
                    body = ""
                self.finish(json.dumps(body))

        async def on_message(self, message: str | bytes) -> None:
            told = json.loads(message)
            self.said.append(told)
            if told["type"] != "response.create":
                return
            for reply in server.making.turn:
                if reply is None:  # the connection breaks
                    self.ws_connection.stream.close()  # type: ignore[union-attr]
                    return
                await self.write_message(reply if isinstance(reply, str) else json.dumps(reply))

        def on_close(self) -> None:
            self.said.append("closed")

    class Layout(Base):
        def post(self) -> None:
            asked = self.record.json
            first = asked.get("start_page_id") or 1
            last = min(asked.get("end_page_id") or 99, len(self.making.pages))
            if first > len(self.making.pages):
                self.set_status(400)
                self.send({"error": {"code": "1214", "message": "页码超出范围"}})
                return
            pages = self.making.pages[first - 1 : last]
            self.send(
                {
                    "id": "1",
                    "request_id": REQUEST_ID,
                    "model": asked["model"],
                    "md_results": "\n\n".join(_written(r) for page in pages for r in page),
                    "layout_details": pages,
                    "data_info": {"num_pages": len(pages)},
                    "usage": {
                        "prompt_tokens": 900,
                        "completion_tokens": 100,
                        "total_tokens": 1000,
                    },
                }
            )

    class Embeddings(Base):
        async def post(self) -> None:
            await asyncio.sleep(self.making.delay)
            asked = self.record.json
            size = asked.get("dimensions") or 2048
            texts = asked["input"]
            rows = [
                {
                    "object": "embedding",
                    "index": number,
                    "embedding": [float(len(text)), *[0.5] * (size - 1)],
                }
                for number, text in enumerate(texts)
            ]
            count = sum(map(len, texts))
            usage = {"prompt_tokens": count, "completion_tokens": 0, "total_tokens": count}
            self.send(
                {"model": asked["model"], "object": "list", "data": rows[::-1], "usage": usage}
            )

    class Rerank(Base):
        def post(self) -> None:
            asked = self.record.json
            words = set(asked["query"].split())
            scored = [
                {"index": number, "relevance_score": len(words & set(text.split())) / 10}
                for number, text in enumerate(asked["documents"])
            ]
            scored.sort(key=lambda row: -row["relevance_score"])
            usage = {"prompt_tokens": 10, "total_tokens": 10}
            self.send({"id": "1", "request_id": REQUEST_ID, "results": scored, "usage": usage})

    class Envelope(Base):
        def answer(self, data: Any, code: int = 200, message: str = "ok") -> None:
            self.send({"code": code, "message": message, "data": data, "timestamp": 1})

    class Knowledge(Envelope):
        def get(self) -> None:
            rows = [
                {"id": number, "name": name, "document_size": len(files)}
                for number, (name, files) in self.making.bases.items()
            ]
            self.answer({"list": rows, "total": len(rows)})

        def post(self) -> None:
            name = self.record.json["name"]
            if any(name == known for known, _ in self.making.bases.values()):
                self.answer(None, 10001, "知识库名称重复")
                return
            number = f"kb{len(self.making.bases) + 1}"
            self.making.bases[number] = (name, [])
            self.answer({"id": number})

    class OneBase(Envelope):
        def delete(self) -> None:
            del self.making.bases[self.record.path.rpartition("/")[2]]
            self.answer(None)

    class Retrieve(Envelope):
        def post(self) -> None:
            (base,) = self.record.json["knowledge_ids"]
            rows = [
                {
                    "text": text.decode(),
                    "score": 0.9,
                    "metadata": {"doc_name": name, "doc_url": f"https://kb.example/{name}"},
                }
                for name, text in self.making.bases[base][1]
            ]
            self.answer(rows)

    class Upload(Envelope):
        def post(self) -> None:
            base = self.record.path.rpartition("/")[2]
            (file,) = self.request.files["files"]
            if file["body"].startswith(b"bad"):
                failed = [{"fileName": file["filename"], "failReason": "文件解析失败"}]
                self.answer({"successInfos": [], "failedInfos": failed})
                return
            self.making.bases[base][1].append((file["filename"], file["body"]))
            taken = [{"documentId": "d1", "fileName": file["filename"]}]
            self.answer({"successInfos": taken, "failedInfos": []})

    class Files(Base):
        def get(self) -> None:
            purpose = self.get_argument("purpose")
            rows = [row for row in self.making.kept if row["purpose"] == purpose]
            self.send({"object": "list", "data": rows, "has_more": False})

        def post(self) -> None:
            (file,) = self.request.files["file"]
            purpose = self.get_argument("purpose")
            self.send(self.server.batching.upload(file.filename, file.body, purpose))

        def delete(self) -> None:
            file = self.record.path.rpartition("/")[2]
            before = len(self.making.kept)
            self.making.kept = [row for row in self.making.kept if row["id"] != file]
            deleted = len(self.making.kept) < before
            self.send({"id": file, "object": "file", "deleted": deleted})

    class Voices(Base):
        def get(self) -> None:
            self.send({"voice_list": [{"voice": "voice_clone_1", "voice_name": "Ada"}]})

    arguments = {"server": server}
    return [
        (r".*/async/images/generations", AsyncImages, arguments),
        (r".*/images/generations", Images, arguments),
        (r".*/videos/generations", Videos, arguments),
        (r".*/async-result/.*", Result, arguments),
        (r".*/audio/speech", Speech, arguments),
        (r".*/audio/transcriptions", Transcriptions, arguments),
        (r".*/voice/list", Voices, arguments),
        (r".*/realtime", Realtime),
        (r".*/embeddings", Embeddings, arguments),
        (r".*/rerank", Rerank, arguments),
        (r".*/llm-application/open/knowledge", Knowledge, arguments),
        (r".*/llm-application/open/knowledge/retrieve", Retrieve, arguments),
        (r".*/llm-application/open/knowledge/[^/]+", OneBase, arguments),
        (r".*/llm-application/open/document/upload_document/.*", Upload, arguments),
        (r".*/paas/v4/files(?:/[^/]+)?", Files, arguments),
        (r".*/layout_parsing", Layout, arguments),
        (r"/made/.*", Made, arguments),
    ]


def _written(region: dict[str, Any]) -> str:
    """A region as the service writes it into the markdown of all pages."""
    text = str(region["content"])
    return f"$$\n{text}\n$$" if region["label"] == "formula" else text


def spoken(samples: bytes) -> str:
    """Samples as a chat's answer holds them."""
    return base64.b64encode(wav(samples)).decode()
