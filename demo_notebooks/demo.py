"""`make demo`: run the quickstart for real, and open it in JupyterLab where somebody watches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).parent
COPY = HERE.parent / "build" / "demo"
NOTEBOOK = "quickstart.ipynb"
ANSWER = "application/vnd.glm-jupyter.answer+json"
# The demo is free: without these it cannot ask a hosted model.
KEYS = ("ZAI_API_KEY", "ZHIPUAI_API_KEY")


def main() -> int:
    """Execute a copy of the quickstart; the exit status says whether every cell ran."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(HERE, COPY, ignore=shutil.ignore_patterns("*.py", ".*", "__pycache__"))
    path = COPY / NOTEBOOK
    environment = {name: value for name, value in os.environ.items() if name not in KEYS}
    say(f"Running {NOTEBOOK} from top to bottom, in a copy: {COPY.relative_to(HERE.parent)}.")
    say("Its questions go to the small engine embedded on this machine: no key, no cost.")
    say("The first run fetches the engine's weights (94 MB).")
    notebook = nbformat.read(path, as_version=4)
    try:
        NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": str(COPY)}},
            on_cell_executed=lambda cell, cell_index, execute_reply: report(cell),
        ).execute(env=environment)
    except CellExecutionError as error:
        say(f"A cell failed: {error.ename}: {error.evalue}")
        say(f"The notebook as far as it came: {path}")
        return 1
    finally:
        nbformat.write(notebook, path)
    say("Every cell ran.")
    if os.environ.get("CI") or not (sys.stdin.isatty() and sys.stdout.isatty()):
        say(f"To look at it: {Path(sys.executable).with_name('jupyter')} lab {path}")
        return 0
    say("Opening it in JupyterLab; Ctrl-C ends that.")
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyter", "lab", str(path), *as_root]
    try:
        return subprocess.call(command, env=environment)
    except KeyboardInterrupt:
        return 0


def report(cell: Any) -> None:
    """Say in a line or two what a cell has brought."""
    if cell.cell_type != "code" or not cell.source.strip():
        return
    say(f"  ran: {textwrap.shorten(cell.source, 70)}")
    for output in cell.outputs:
        answer = output.get("data", {}).get(ANSWER)
        if answer and "recorded" in answer["notes"]:
            say("       a sample was replayed")
        elif answer:
            usage = answer["usage"]
            say(
                f"       {answer['model']} answered: {usage['prompt_tokens']} tokens in, "
                f"{usage['completion_tokens']} out, {answer['seconds']:.1f} s"
            )


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
