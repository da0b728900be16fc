"""The part of the protocol fake that takes batches and their files.

    with ProtocolServer() as server:
        server.batching.states = ["validating", "in_progress", "completed"]
        server.batching.fail("batches", 400, {"error": {"code": "1211", "message": "…"}})
        server.batching.lose("batches")  # takes the next one, but its reply is lost

The lines are answered as chats are, by `server.respond` and the enqueued replies, and come back
in the opposite order.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tornado.web

if TYPE_CHECKING:
    from tests.protocol_server import ProtocolServer

FILE = "20261126_ea19d21b-d256-4586-b0df-{:012}"
BATCH = "batch_{}"
CREATED = 1795348800000  # in milliseconds


@dataclass
class Batching:
    """What was uploaded and created, and how it goes on."""

    # Of each batch: what each question about it is told; the last state stays.
    states: list[str] = field(default_factory=lambda: ["completed"])
    errors: list[dict[str, Any]] = field(default_factory=list)  # of a failed batch
    counts_on_top: bool = False
    missing: set[str] = field(default_factory=set)  # custom ids that no result tells of
    keeps_metadata: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    _failing: deque[tuple[str, int, Any]] = field(default_factory=deque)
    _losing: set[str] = field(default_factory=set)

    def fail(self, path: str, status: int, body: Any, times: int = 1) -> None:
        """Refuse the next requests to `path`; a status of 0 cuts the connection."""
        self._failing.extend([(path, status, body)] * times)

    def lose(self, path: str) -> None:
        """Do what the next POST to `path` asks for, and cut the connection instead of a reply."""
        self._losing.add(path)

    def failing(self, path: str) -> tuple[int, Any] | None:
        """How a request to `path` is to be refused, if it is."""
        if self._failing and path.endswith(self._failing[0][0]):
            return self._failing.popleft()[1:]
        return None

    def lost(self, path: str) -> bool:
        """Whether the reply to a request to `path` is to be lost."""
        for known in self._losing:
            if path.endswith(known):
                self._losing.remove(known)
                return True
        return False

    def add_file(self, content: bytes) -> str:
        """Keep a file; its id."""
        file = FILE.format(len(self.files) + 1)
        self.files[file] = content
        return file

    def upload(self, name: str, content: bytes, purpose: str) -> dict[str, Any]:
        """Keep an uploaded file; what the service says of it."""
        return {
            "id": self.add_file(content),
            "object": "file",
            "bytes": len(content),
            "created_at": CREATED,
            "filename": None,
            "fileName": name,
            "purpose": purpose,
        }


def routes(server: ProtocolServer, handler: type) -> list[Any]:
    """The routes of the tornado application."""
    from tests.protocol_server import Request

    class Base(handler):  # type: ignore[misc, valid-type]
        @property
        def batching(self) -> Batching:
            return self.server.batching  # type: ignore[no-any-return]

        def prepare(self) -> None:
            super().prepare()
            if self.get_status() != 200:
                return
            if refused := self.batching.failing(self.record.path):
                status, body = refused
                if status == 0:
                    self.cut()
                self.set_status(status)
                self.send(body)

        def cut(self) -> None:
            self.record.ended.set()
            self.request.connection.stream.close()
            raise tornado.web.Finish

        def taken(self, body: dict[str, Any]) -> None:
            if self.batching.lost(self.record.path):
                self.cut()
            self.send(body)

        def unknown(self) -> None:
            self.set_status(400)
            self.send({"error": {"code": "1214", "message": "不存在"}})

    class Content(Base):
        def get(self) -> None:
            content = self.batching.files.get(self.record.path.split("/")[-2])
            if content is None:
                self.unknown()
                return
            self.set_header("Content-Type", "application/octet-stream")
            self.finish(content)

    class Batches(Base):
        def post(self) -> None:
            asked = self.record.json
            batching = self.batching
            if asked["input_file_id"] not in batching.files or asked["endpoint"] != URL:
                self.unknown()
                return
            batch = BATCH.format(1790292763050508288 + len(batching.jobs))
            batching.jobs[batch] = {
                "id": batch,
                "object": "batch",
                "endpoint": asked["endpoint"],
                "input_file_id": asked["input_file_id"],
                "completion_window": "24h",
                "status": "validating",
                "errors": None,
                "output_file_id": "",
                "error_file_id": None,
                "created_at": CREATED,
                "cancelling_at": None,
                "request_counts": {"total": None, "completed": None, "failed": None},
                "metadata": asked.get("metadata") if batching.keeps_metadata else None,
            }
            self.taken(batching.jobs[batch])

        def get(self) -> None:
            rows = list(self.batching.jobs.values())[::-1]
            ids = [row["id"] for row in rows]
            after = self.get_argument("after", "")
            start = ids.index(after) + 1 if after else 0
            end = start + int(self.get_argument("limit", "20"))
            body = {"object": "list", "data": rows[start:end], "has_more": end < len(rows)}
            self.send(body)

    class One(Base):
        def get(self) -> None:
            batching = self.batching
            batch = self.record.path.rpartition("/")[2]
            if (job := batching.jobs.get(batch)) is None:
                self.unknown()
                return
            count = batching.asked.get(batch, 0)
            batching.asked[batch] = count + 1
            job["status"] = batching.states[min(count, len(batching.states) - 1)]
            if job["status"] in ("completed", "expired", "cancelled") and not job["output_file_id"]:
                self.answer(job)
            if job["status"] == "failed":
                job["errors"] = {"object": "list", "data": batching.errors}
            self.send(job)

        def answer(self, job: dict[str, Any]) -> None:
            batching = self.batching
            lines = batching.files[job["input_file_id"]].splitlines()
            output: list[str] = []
            errors: list[str] = []
            for line in reversed(lines):
                asked = json.loads(line)
                if asked["custom_id"] in batching.missing:
                    continue
                body = json.dumps(asked["body"]).encode()
                reply = self.server.reply_to(Request("POST", URL, {}, body))
                if reply.body is None:
                    said = {**reply.whole(asked["body"]["model"]), "request_id": "request"}
                else:
                    said = reply.body
                result = {
                    "response": {"status_code": reply.status, "body": said},
                    "custom_id": asked["custom_id"],
                    "id": job["id"],
                }
                (output if reply.status == 200 else errors).append(json.dumps(result))
            counts = {
                "total": len(lines),
                "completed": len(output),
                "failed": len(errors),
            }
            job.update(counts if batching.counts_on_top else {"request_counts": counts})
            job["output_file_id"] = batching.add_file("\n".join(output).encode()) if output else ""
            job["error_file_id"] = batching.add_file("\n".join(errors).encode()) if errors else ""

    class Cancel(Base):
        def post(self) -> None:
            job = self.batching.jobs[self.record.path.split("/")[-2]]
            self.batching.states = ["cancelling", "cancelled"]
            self.send({**job, "status": "cancelling", "cancelling_at": CREATED})

    arguments = {"server": server}
    return [
        (r".*/files/[^/]+/content", Content, arguments),
        (r".*/batches", Batches, arguments),
        (r".*/batches/[^/]+/cancel", Cancel, arguments),
        (r".*/batches/[^/]+", One, arguments),
    ]


URL = "/v4/chat/completions"
