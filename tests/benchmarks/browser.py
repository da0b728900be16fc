"""What a streamed answer costs the page, against one finished rendering of the same text.

    python -m tests.benchmarks.browser [--sizes 3 24 120] [--rates 2000 0] [--kinds math prose]
        [--follow] [--reopen] [--without]
    python -m tests.benchmarks.browser --memory 200

A real JupyterLab in a real Chromium. Main-thread times are those of the page's tasks, with what
the idle page takes in the same time subtracted. The finished rendering is JupyterLab's own, of
the same text as markdown, in the same page. Trust the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession

from tests.benchmarks.texts import mathematics, prose
from tests.browser.lab import Lab, Notebook, chromium

SETUP = """%load_ext glm_jupyter
from IPython.display import Markdown, display
from glm_jupyter.answer import Answer
from glm_jupyter.api.events import TextDelta
from glm_jupyter.render.markdown import markdown
from tests.benchmarks.texts import mathematics, prose
from tests.browser.growing import grow
"""
ONCE = """answer = Answer("glm-4-airx", "bigmodel")
answer.apply(TextDelta({text}))
display(Markdown(markdown(answer)))"""
STREAM = "answer = await grow({text}, rate={rate}, chunk={chunk})"

# Counts long tasks and slow frames; knows when the answer's visible part, and all, is finished.
WATCH = """() => {
    const seen = window.seen = { tasks: [], gaps: [], at: performance.now() };
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) seen.tasks.push(entry.duration);
    }).observe({ type: 'longtask' });
    let last = performance.now();
    const frame = now => { seen.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
}"""
FRESH = """() => {
    Object.assign(window.seen, { tasks: [], gaps: [], last: 0, visible: 0, all: 0 });
}"""
# A reader who scrolls along with the text.
FOLLOW = """() => setInterval(() => {
    const answer = document.querySelector('.glm-Answer');
    if (answer) answer.lastElementChild.previousElementSibling.scrollIntoView({ block: 'end' });
}, 500)"""
# After the last message: when is what the reader sees finished, and when everything?
FINISH = """() => {
    const seen = window.seen;
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    kernel.anyMessage.connect((_, { msg, direction }) => {
        if (direction === 'recv' && /display|comm_msg/.test(msg.header.msg_type)) {
            seen.last = performance.now();
        }
    });
    const look = () => {
        const answer = document.querySelector('.glm-Answer');
        if (answer?.dataset.state === 'done') {
            const inView = node => {
                const { top, bottom } = node.getBoundingClientRect();
                return bottom > 0 && top < innerHeight;
            };
            const raw = answer.querySelector('.glm-mod-raw, .glm-mod-source');
            // The page draws in order from what is seen, so the first raw part tells.
            if (!seen.visible && !(raw && inView(raw))) seen.visible = performance.now();
            if (!seen.all && 'drawn' in answer.dataset) seen.all = performance.now();
        }
        if (!seen.all) setTimeout(look, 20);
    };
    look();
}"""


@dataclass
class Measured:
    """One cell's cost: seconds of main thread, longest task and frames in milliseconds."""

    main: float
    longest: float
    slow_frames: int
    received: int
    wall: float
    visible: float = 0.0
    complete: float = 0.0


class Bench:
    """One page, measured cell by cell."""

    def __init__(self, browser: Browser, lab: Lab, text: str, rate: int, chunk: int) -> None:
        self.extension = lab.extension
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        lab.write(
            "bench.ipynb",
            SETUP,
            ONCE.format(text=text),
            STREAM.format(text=text, rate=rate, chunk=chunk),
            ONCE.format(text="mathematics(500)"),
        )
        self.notebook = Notebook(lab, context, "bench.ipynb")
        self.received = 0
        self.page = self.notebook.page
        self.context = context
        self.cdp: CDPSession = context.new_cdp_session(self.page)
        self.cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.cdp.send("Network.enable")
        self.cdp.on("Network.webSocketFrameReceived", self._count)
        self.notebook.run(0)
        self.notebook.run(3)  # loads the parser and the typesetter
        self.page.evaluate(WATCH)
        self._settle()
        before, start = self._busy(), time.monotonic()
        time.sleep(5)
        self.idle = (self._busy() - before) / (time.monotonic() - start)

    def once(self) -> Measured:
        return self._measure(1, "() => true")

    def stream(self, *, follow: bool) -> Measured:
        self._clear()
        if follow:
            self.page.evaluate(FOLLOW)
        done = "() => window.seen.all > 0" if self.extension else "() => true"
        return self._measure(2, done, FINISH if self.extension else None)

    def reopen(self) -> tuple[float, float]:
        """Save, load the page anew: longest task, and seconds until all is drawn."""
        self.notebook.save()
        self.page.add_init_script(f"({WATCH})()")
        start = time.monotonic()
        self.notebook.open()
        self.notebook.wait_drawn()
        took = time.monotonic() - start
        self._settle()
        tasks = self.page.evaluate("() => window.seen.tasks")
        return max(tasks, default=0.0), took

    def _measure(self, cell: int, done: str, extra: str | None = None) -> Measured:
        self.page.evaluate(FRESH)
        if extra:
            self.page.evaluate(extra)
        self.received = 0
        before, start = self._busy(), time.monotonic()
        self.notebook.run(cell)
        self.page.wait_for_function(done, timeout=300_000, polling=100)
        self._settle()
        wall = time.monotonic() - start
        main = self._busy() - before - self.idle * wall
        seen: dict[str, Any] = self.page.evaluate("() => window.seen")
        return Measured(
            main,
            max(seen["tasks"], default=0.0),
            sum(gap > 100 for gap in seen["gaps"]),
            self.received,
            wall,
            seen["visible"] - seen["last"],
            seen["all"] - seen["last"],
        )

    def _clear(self) -> None:
        self.page.evaluate(
            """() => {
                for (const cell of jupyterapp.shell.currentWidget.content.widgets)
                    cell.model.outputs?.clear();
            }"""
        )
        self._settle()

    def _busy(self) -> float:
        metrics = self.cdp.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

    def _settle(self) -> None:
        """Wait until the page has had nothing to do for a second."""
        last = self._busy()
        while True:
            time.sleep(1)
            now = self._busy()
            if now - last < 0.1:
                return
            last = now

    def _count(self, event: dict[str, Any]) -> None:
        data = event["response"]["payloadData"]
        binary = event["response"]["opcode"] == 2  # shown as base64
        self.received += len(data) * 3 // 4 if binary else len(data.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 24, 120], help="KB of text")
    parser.add_argument("--rates", type=int, nargs="+", default=[2000, 0], help="bytes/s, 0: burst")
    parser.add_argument("--kinds", nargs="+", default=["math", "prose"])
    parser.add_argument("--follow", action="store_true", help="keep the end of the text in view")
    parser.add_argument("--without", action="store_true", help="without the extension")
    parser.add_argument("--reopen", action="store_true", help="open the saved notebook, too")
    parser.add_argument("--memory", type=int, help="so many answers in a row, then clear")
    args = parser.parse_args()
    with chromium() as browser, tempfile.TemporaryDirectory() as home:
        lab = Lab(Path(home) / "lab", extension=not args.without)
        try:
            if args.memory:
                print(json.dumps(memory(browser, lab, args.memory)))
                return
            for kind in args.kinds:
                for size in args.sizes:
                    for rate in args.rates:
                        report(browser, lab, kind, size, rate, args)
        finally:
            lab.close()


def memory(browser: Browser, lab: Lab, count: int) -> dict[str, Any]:
    """What the page holds before and after so many answers of one cell, each 3 KB of math."""
    bench = Bench(browser, lab, "mathematics(3000)", 0, chunk=500)

    def held() -> dict[str, int]:
        bench._clear()
        bench.cdp.send("HeapProfiler.collectGarbage")
        metrics = {
            m["name"]: m["value"] for m in bench.cdp.send("Performance.getMetrics")["metrics"]
        }
        return {"heap_KB": int(metrics["JSHeapUsedSize"] / 1024), "nodes": int(metrics["Nodes"])}

    def answers(number: int) -> None:
        for _ in range(number):
            bench.notebook.run(2)
            bench.notebook.wait_drawn()

    answers(20)  # fills caches that are there to stay
    before = held()
    answers(count // 2)
    middle = held()
    answers(count - count // 2)
    return {"answers": count, "before": before, "half": middle, "after": held()}


def report(
    browser: Browser, lab: Lab, kind: str, size: int, rate: int, args: argparse.Namespace
) -> None:
    make = mathematics if kind == "math" else prose
    length = len(make(size * 1000))
    text = f"{make.__name__}({size * 1000})"
    bench = Bench(browser, lab, text, rate, chunk=12 if rate else 4000)
    once, stream = bench.once(), bench.stream(follow=args.follow)
    row = {
        "text": f"{size} KB of {kind}",
        "rate": f"{rate} B/s" if rate else "burst",
        "once_s": round(once.main, 2),
        "once_longest_ms": round(once.longest),
        "stream_s": round(stream.main, 2),
        "ratio": round(stream.main / once.main, 2),
        "of_the_time": round(stream.main / stream.wall, 2),
        "longest_ms": round(stream.longest),
        "frames_over_100_ms": stream.slow_frames,
        "bytes_ratio": round(stream.received / length, 2),
    }
    if bench.extension:
        row |= {"visible_ms": round(stream.visible), "complete_ms": round(stream.complete)}
    if args.reopen:
        longest, took = bench.reopen()
        row |= {"reopen_longest_ms": round(longest), "reopen_s": round(took, 1)}
    print(json.dumps(row), flush=True)
    bench.context.close()


if __name__ == "__main__":
    main()
