"""A real JupyterLab server and a real Chromium, each in a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "glm_jupyter" / "labextension"
MIME = "application/vnd.glm-jupyter.answer+json"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium_path() -> str:
    """Where Chromium is: $CHROMIUM, or one of its usual names."""
    for name in (os.environ.get("CHROMIUM", ""), *CHROMIUM_NAMES):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("No Chromium found: install it, or set CHROMIUM to its path.")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=CHROMIUM_ARGS,
            ignore_default_args=["--hide-scrollbars"],  # pages as people see them
        )
        yield browser
        browser.close()


class Lab:
    """A JupyterLab (or Notebook 7) server that finds the extension as an installed one is found."""

    def __init__(
        self,
        home: Path,
        *,
        extension: bool = True,
        disabled: Sequence[str] = (),
        app: str = "jupyterlab",
        locale: str = "",
        shared: bool = False,  # real-time collaboration
    ) -> None:
        if not (EXTENSION / "package.json").exists():
            raise FileNotFoundError(
                "The extension is not built: run `npm ci && npm run build:prod` in labextension/."
            )
        self.files = home / "files"
        self.files.mkdir(parents=True)
        config = home / "config"
        (home / "data").mkdir()  # where jupyter-server-fileid keeps a database, and makes no folder
        # This tree's build goes before one that may be installed.
        extensions = home / "labextensions"
        extensions.mkdir()
        (extensions / "glm-jupyter").symlink_to(EXTENSION)
        (config / "labconfig").mkdir(parents=True)
        off = [*disabled, "@jupyterlab/apputils-extension:announcements"]
        off += ["@jupyterlite/pyodide-kernel-extension"]  # which is for JupyterLite's pages
        off += [] if extension else ["glm-jupyter"]
        sharing = ("@jupyter/collaboration-extension", "@jupyter/docprovider-extension")
        turned_off = {**dict.fromkeys(off, True), **dict.fromkeys(sharing, not shared)}
        page_config = json.dumps({"disabledExtensions": turned_off})
        (config / "labconfig" / "page_config.json").write_text(page_config)
        servers = dict.fromkeys(("jupyter_server_ydoc", "jupyter_server_fileid"), shared)
        (config / "jupyter_server_config.json").write_text(
            json.dumps(
                {
                    "ServerApp": {"jpserver_extensions": servers},
                    "SQLiteYStore": {"db_path": str(home / "ystore.db")},
                }
            )
        )
        if locale:
            chosen = home / "settings" / "@jupyterlab" / "translation-extension"
            chosen.mkdir(parents=True)
            setting = json.dumps({"locale": locale})
            (chosen / "plugin.jupyterlab-settings").write_text(setting)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.app = app
        self.extension = extension
        env = os.environ | {
            "HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_PREFER_ENV_PATH": "0",  # else .venv's configuration goes before ours
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "IPYTHONDIR": str(home / "ipython"),
            "XDG_DATA_HOME": str(home / "share"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        for name in ("ZAI_API_KEY", "ZHIPUAI_API_KEY", "ZAI_BASE_URL", "ZHIPUAI_BASE_URL"):
            env.pop(name, None)
        options = [
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            f"--ServerApp.root_dir={self.files}",
            f"--LabServerApp.extra_labextensions_path={extensions}",
        ]
        if app != "nbclassic":
            options.append("--expose-app-in-browser")
        self.log = home / "server.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", app, *options],
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def write(self, name: str, *cells: str, outputs: dict[int, list[Any]] | None = None) -> None:
        """Write a notebook of code cells; `outputs` are those of cells by their number."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        for number, source in enumerate(cells):
            cell = nbformat.v4.new_code_cell(source)
            cell["outputs"] = (outputs or {}).get(number, [])
            notebook.cells.append(cell)
        nbformat.write(notebook, self.files / name)

    def read(self, name: str) -> Any:
        """The notebook as it is on disk."""
        return nbformat.read(self.files / name, as_version=4)

    def _wait(self) -> None:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/api/status", timeout=2).close()
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()}")


class Notebook:
    """One notebook, open in one browser tab."""

    def __init__(self, lab: Lab, context: BrowserContext, name: str) -> None:
        self.lab = lab
        self.name = name
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def open(self) -> None:
        """Load the page, and wait until its kernel is there."""
        kind = "lab/tree" if self.lab.app == "jupyterlab" else "notebooks"
        # Without the notebooks of earlier tests, which the workspace would bring back.
        self.page.goto(f"{self.lab.url}/{kind}/{self.name}?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        self.page.wait_for_function(
            """() => {
                const panel = jupyterapp.shell.currentWidget;
                // Its status may be unknown: a kernel that is busy says nothing.
                return panel?.sessionContext?.session?.kernel?.connectionStatus === 'connected';
            }""",
            timeout=60_000,
        )

    def start(self, *numbers: int) -> None:
        """Run cells without waiting for them."""
        self.page.evaluate(
            """numbers => {
                const { content, sessionContext } = jupyterapp.shell.currentWidget;
                window.lastRun = Promise.all(numbers.map(async number => {
                    content.activeCellIndex = number;
                    content.deselectAll();
                    await jupyterapp.commands.execute('notebook:run-cell');
                }));
            }""",
            list(numbers),
        )

    def run(self, *numbers: int) -> None:
        """Run cells and wait for their end."""
        self.start(*numbers)
        self.page.evaluate("() => window.lastRun")

    def save(self) -> Any:
        """Save, and give what is on disk then."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
        return self.lab.read(self.name)

    def use_theme(self, theme: str) -> None:
        """Change to the theme "Light" or "Dark", and wait until it is there."""
        name = f"JupyterLab {theme}"
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", name
        )
        self.page.wait_for_function(
            "theme => document.body.dataset.jpThemeName === theme", arg=name
        )
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def wait_drawn(self, count: int = 1, timeout: float = 60) -> None:
        """Wait until `count` answers are there, finished, drawn and typeset."""
        self.page.wait_for_function(
            """count => document.querySelectorAll(
                '.glm-Answer[data-state="done"][data-drawn]').length >= count""",
            arg=count,
            timeout=timeout * 1000,
        )

    def text(self, selector: str = ".glm-Answer > .glm-Body") -> str:
        """The text on screen, where formulas are as they are typeset."""
        return self.page.locator(selector).first.inner_text()

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)
