"""The Chromium that the browser tests drive: found, or installed when there is none.

    python -m tests.browser.chromium

prints its path on standard output, after installing one if need be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find() -> str | None:
    """The path of $CHROMIUM, of an installed Chromium or Chrome, or of Playwright's own."""
    for name in (os.environ.get("CHROMIUM", ""), *NAMES, *MAC_APPS):
        if path := shutil.which(name):
            return path
    return _playwrights_own()


def install() -> None:
    """Install Chromium: Debian's package on Debian, elsewhere Playwright's build."""
    root = [] if os.geteuid() == 0 else ["sudo"]
    if _is_debian():
        _run(*root, "apt-get", "update", "-qq")
        _run(*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
        return
    # With its system libraries, where there is an apt-get to bring them (Ubuntu).
    libraries = ["--with-deps"] if shutil.which("apt-get") else []
    _run(sys.executable, "-m", "playwright", "install", *libraries, "chromium")


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def _is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.is_file() and "ID=debian" in release.read_text().splitlines()


def _run(*command: str) -> None:
    print("Chromium is missing:", *command, file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit("Chromium was installed but is not found; set CHROMIUM to its path.")
    print(path)
