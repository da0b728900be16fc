"""Mixed use with faults in one kernel and one page: what each of them holds as answers count up.

    python -m tests.benchmarks.soak [--minutes 60] [--answers 5000] [--every 250] [--plain]

A real JupyterLab in a real Chromium runs one notebook over and over, as somebody does who tries
things: every round runs all its cells, saves, and clears what they show. It ends with the minutes
or the answers, whichever comes first. What is measured is what is left after a round, when both
sides have collected their garbage. The last lines set the mean of the last quarter against that
of the second: what is flat is near 1.

Two things that Jupyter itself does not let go are left out or rare. The toolbar of cells keeps some
800 listeners at each change of the active cell, so it is off. ipywidgets keeps every view that it
has made of a widget, so the panel is opened in every tenth round only. With `--plain` the cells
show texts by IPython alone: what else is Jupyter's own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean

import psutil
from playwright.sync_api import Browser

from tests.benchmarks.texts import mathematics, prose
from tests.browser.lab import Lab, Notebook, chromium
from tests.protocol_server import ProtocolServer, Reply, Request, sse

HOSTILE = (Path(__file__).parents[1] / "texts" / "hostile.md").read_text("utf-8")
TABLE = "| a | b |\n|---|---|\n" + "".join(f"| {n} | \\(x_{{{n}}}\\) |\n" for n in range(30))

SETUP = """
import asyncio, functools, gc, json, os, tempfile, threading
os.environ.update({env!r})
tempfile.tempdir = os.environ["TMPDIR"]
%load_ext glm_jupyter
import comm, ipywidgets
import glm_jupyter as glm
from glm_jupyter.api import chat, client
from pydantic import BaseModel
# Short waits: what is waited for is the same.
client.Client = functools.partial(client.Client, pause=0.01)
chat.LONGEST_SILENCE = 0.5

class Point(BaseModel):
    x: int
    y: int

def add(a: int, b: int) -> int:
    "Add two whole numbers."
    return a + b
"""

SAMPLE = """
for _ in range(3):
    gc.collect()
    await asyncio.sleep(0.1)
with open("sample.json", "w") as file:
    json.dump({
        "pid": os.getpid(),
        "tasks": len(asyncio.all_tasks()),
        "comms": len(comm.get_comm_manager().comms),
        "objects": len(gc.get_objects()),
    }, file)
"""

# The first word of each question says how the service answers.
ASK = "%%glm -m glm-4.7{options}\n{word}: tell me"
QUESTIONS = {
    "mathematics": "",
    "prose": " --continue",
    "table": " --continue",
    "thinking": " --think",
    "hostile": " --output hostile",
    "tools": " --tools add",
    "schema": " --schema Point",
    "cut": "",
    "dropped": "",
    "closed": "",
    "broken": "",
    "stalled": "",
    "failing": "",
    "refused": "",
    "busy": "",
}
PANEL = "%glm"
STOPPED = "%%glm -m glm-4.7\nslow: tell me"
CELLS = [
    *(ASK.format(word=word, options=options) for word, options in QUESTIONS.items()),
    "%%glm --compare glm-4.7,glm-4.5-air\nprose: tell me",
    # Not as the cell's value, which IPython keeps in Out.
    "display(glm.map(range(12), 'item: {{ item }}', model='glm-4.7', fresh=True))",
    "print(glm.ask('table: tell me', model='glm-4.7'))",
    "for event in glm.stream('prose: tell me', model='glm-4.7'):\n    pass",
    "%%glm -m glm-4.7 --dry-run\nmathematics: tell me",
    "%glm usage",
    PANEL,
    "%glm history",
    "%glm no-such-command",
    STOPPED,
]

PLAIN_SETUP = """
import asyncio, gc, json, os
import comm, ipywidgets
from IPython.display import Markdown, display
from tests.benchmarks.texts import prose
"""
PLAIN = """
shown = display(Markdown("..."), display_id=True)
for length in (500, 1000, 2000):
    shown.update(Markdown(prose(length)))
"""

TOOLBAR = "@jupyterlab/cell-toolbar-extension:plugin"
METRICS = {"JSHeapUsedSize": "page KB", "Nodes": "nodes", "JSEventListeners": "listeners"}


class Service:
    """Answers by the first word of the question, and counts its answers."""

    def __init__(self) -> None:
        self.answers = 0

    def __call__(self, request: Request) -> Reply:
        self.answers += 1
        n = self.answers
        messages = request.json["messages"]
        word = str(messages[-1]["content"]).partition(":")[0]
        if messages[-1]["role"] == "tool":
            return Reply("It is \\(461\\).")
        # No two texts are alike, or the page would know its formulas already.
        text = f"Answer {n}: \\(a_{{{n}}}\\).\n\n{mathematics(2500)}"
        half = {"choices": [{"index": 0, "delta": {"content": f"Half of answer {n}"}}]}
        call = {"name": "add", "arguments": {"a": n, "b": 96}}
        match word:
            case "prose":
                return Reply(f"Answer {n}.\n\n{prose(2000)}", chunk=40, pause=0.002)
            case "table":
                return Reply(f"Answer {n}.\n\n{TABLE}", chunk=20, pause=0.001)
            case "thinking":
                return Reply(text, reasoning=prose(1500), chunk=60, pause=0.002)
            case "hostile":
                return Reply(f"Answer {n}.\n\n{HOSTILE}", chunk=100)
            case "tools":
                return Reply("", tool_calls=[call], finish_reason="tool_calls")
            case "schema":
                return Reply(f'{{"x": {n}, "y": 2}}')
            case "item":
                return Reply(f"Item {n}.")
            case "slow":
                return Reply(text, chunk=5, pause=0.2)
            case "cut":
                return Reply(text, chunk=40, finish_reason="length")
            case "dropped":
                return Reply(text, chunk=40, cut_after=20, abrupt=True)
            case "closed":
                return Reply(text, chunk=40, cut_after=20)
            case "broken":
                return Reply(raw=[sse(half), b'data: {"choices": [\n\n'])
            case "stalled":
                return Reply(text, chunk=40, delay=0, pause=1)
            case "failing":
                return Reply(text, chunk=40, error={"code": "1305", "message": "busy"})
            case "refused":
                return Reply(status=400, body={"error": {"code": "1214", "message": "no"}})
            case "busy" if n % 3:
                return Reply(status=429, body={"error": {"code": "1302", "message": "busy"}})
            case _:
                return Reply(text, chunk=30, pause=0.001)


class Page:
    """The notebook in its page, and what page and kernel hold."""

    def __init__(self, browser: Browser, lab: Lab, setup: str, cells: Sequence[str]) -> None:
        self._cells = cells
        lab.write("soak.ipynb", setup, *cells, SAMPLE)
        self._lab = lab
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        self.notebook = Notebook(lab, context, "soak.ipynb")
        self._cdp = context.new_cdp_session(self.notebook.page)
        self._cdp.send("Performance.enable")
        self.notebook.run(0)

    def round(self, turn: int) -> None:
        """Run every cell, press Stop where that is due, save, and clear what is shown."""
        page = self.notebook.page
        for number, code in enumerate(self._cells, 1):
            if code == PANEL and turn % 10 != 1:
                continue
            self.notebook.start(number)
            if code == STOPPED:
                page.locator(".glm-stop:visible").first.click(timeout=60_000)
            page.evaluate("() => window.lastRun")
        self.notebook.save()
        page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")

    def held(self, temporary: Path) -> dict[str, float]:
        """What is left of it all."""
        self.notebook.run(len(self._cells) + 1)
        inside = json.loads((self._lab.files / "sample.json").read_text("utf-8"))
        process = psutil.Process(inside.pop("pid"))
        time.sleep(1)
        self._cdp.send("HeapProfiler.collectGarbage")
        metrics = self._cdp.send("Performance.getMetrics")["metrics"]
        page = {METRICS[m["name"]]: m["value"] for m in metrics if m["name"] in METRICS}
        page["page KB"] //= 1024
        return {
            "kernel KB": process.memory_info().rss // 1024,
            **inside,
            "threads": process.num_threads(),
            "files": process.num_fds() if hasattr(process, "num_fds") else 0,
            "sockets": len(process.net_connections("inet")),
            "temporary": sum(1 for _ in temporary.rglob("*")),
            **page,
        }


def soak(
    page: Page, service: Service, temporary: Path, args: argparse.Namespace
) -> list[dict[str, float]]:
    """Run the notebook over and over: a row for every so many answers."""
    rows: list[dict[str, float]] = []
    begun = time.monotonic()
    for number in itertools.count(1):
        page.round(number)
        minutes = (time.monotonic() - begun) / 60
        answers = number * len(CELLS) if args.plain else service.answers
        over = minutes >= args.minutes or answers >= args.answers
        if over or answers >= args.every * (len(rows) + 1):
            measured = {"minutes": round(minutes, 1), "rounds": number, "answers": answers}
            rows.append(measured | page.held(temporary))
            if len(rows) == 1:
                print(line(rows[0]))
            print(line(rows[-1].values()), flush=True)
        if over:
            break
    return rows


def line(values: Iterable[object]) -> str:
    return " ".join(f"{value!s:>10}" for value in values)


def report(rows: list[dict[str, float]]) -> None:
    """The last quarter against the second."""
    quarter = len(rows) // 4
    if not quarter:
        print("too short for a comparison")
        return
    second, last = rows[quarter : 2 * quarter], rows[-quarter:]
    for name in list(rows[0])[3:]:
        before, after = (mean(row[name] for row in part) for part in (second, last))
        print(f"{name:>10}: {before:12.1f} -> {after:12.1f}   x {after / max(1, before):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--answers", type=int, default=5000)
    parser.add_argument("--every", type=int, default=250, help="measure after so many answers")
    parser.add_argument("--plain", action="store_true", help="without glm-jupyter, to compare")
    args = parser.parse_args()
    service = Service()
    with (
        ProtocolServer() as server,
        tempfile.TemporaryDirectory() as home,
        chromium() as browser,
    ):
        server.respond = service
        temporary = Path(home) / "temporary"
        temporary.mkdir()
        lab = Lab(Path(home) / "lab", disabled=[TOOLBAR])
        try:
            if args.plain:
                page = Page(browser, lab, PLAIN_SETUP, [PLAIN] * len(CELLS))
            else:
                env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url}
                env["TMPDIR"] = str(temporary)
                page = Page(browser, lab, SETUP.format(env=env), CELLS)
            rows = soak(page, service, temporary, args)
        finally:
            lab.close()
    report(rows)
    if page.notebook.errors:
        print("errors of the page:", *page.notebook.errors[:5], sep="\n")


if __name__ == "__main__":
    main()
