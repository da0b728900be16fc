"""A JupyterLite site: its pages, Pyodide, and as wheels what is installed beside the tests."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.browser.lab import EXTENSION, ROOT

PYODIDE = ROOT / "labextension" / "node_modules" / "pyodide"
KERNEL = "@jupyterlite/pyodide-kernel-extension"
KERNEL_EXTENSION = Path(sysconfig.get_path("data")) / "share/jupyter/labextensions" / KERNEL
PLACE = {"sys_platform": "emscripten", "platform_system": "Emscripten", "python_version": "3.14"}
# What has no wheel for Pyodide but Pyodide's own, which is not among what npm brings: `%%glm`
# does without it.
LEFT_OUT = {"numpy", "pillow", "pydantic", "pydantic-core", "ipywidgets"}
# The names that JupyterLite's own installer takes from micropip; nothing is installed by it here.
MICROPIP = "CompatibilityLayer = ProjectInfo = query_package = None"


def build(site: Path, work: Path) -> None:
    """Build a site into the folder `site`, in which the kernel finds `glm_jupyter`."""
    work.mkdir()
    kernel: dict[str, Any] = {"pyodideUrl": "./static/pyodide/pyodide.mjs"}
    config = {
        "disabledExtensions": ["@jupyterlab/apputils-extension:announcements"],
        "enableMemoryStorage": True,
        "exposeAppInBrowser": True,
        "litePluginSettings": {f"{KERNEL}:kernel": kernel},
    }
    pyodide = site / "static" / "pyodide"
    lock = json.loads((PYODIDE / "pyodide-lock.json").read_text())
    lock["packages"] = {}
    for wheel in _wheels(work):
        name, version = wheel.name.split("-")[:2]
        name = name.replace("_", "-").lower()
        lock["packages"][name] = {
            "name": name,
            "version": version,
            "file_name": wheel.name,
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            "package_type": "package",
            "install_dir": "site",
            "imports": [],
            "depends": [],
        }
    kernel["loadPyodideOptions"] = {"packages": list(lock["packages"])}
    lite = {"jupyter-lite-schema-version": 0, "jupyter-config-data": config}
    (work / "jupyter-lite.json").write_text(json.dumps(lite))
    options = {
        "apps": ["lab"],
        "output_dir": str(site),
        "no_libarchive": True,
        "ignore_sys_prefix": ["federated_extensions"],
        "federated_extensions": [str(EXTENSION), str(KERNEL_EXTENSION)],
    }
    (work / "jupyter_lite_config.json").write_text(json.dumps({"LiteBuildConfig": options}))
    command = [sys.executable, "-m", "jupyterlite_core", "build"]
    subprocess.run(command, cwd=work, check=True, capture_output=True)
    shutil.copytree(PYODIDE, pyodide)
    for wheel in work.glob("*.whl"):
        shutil.copy(wheel, pyodide)
    (pyodide / "pyodide-lock.json").write_text(json.dumps(lock))


def serve(site: Path) -> http.server.ThreadingHTTPServer:
    """A server of the files in `site`."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def _wheels(work: Path) -> Iterator[Path]:
    for wheel in (KERNEL_EXTENSION / "static" / "pypi").glob("[!w]*.whl"):
        yield Path(shutil.copy(wheel, work))
    files = {path.relative_to(ROOT): path for path in (ROOT / "glm_jupyter").rglob("*")}
    kept = {name: path for name, path in files.items() if "labextension" not in name.parts}
    yield _wheel(work, "glm_jupyter", "0", kept)
    stand_in = work / "micropip.py"
    stand_in.write_text(MICROPIP)
    names = {Path("micropip/__init__.py"): stand_in, Path("micropip/package_index.py"): stand_in}
    yield _wheel(work, "micropip", "0", names)
    for name in sorted(_needed("glm-jupyter", set())):
        found = distribution(name)
        code = {
            Path(file): Path(str(file.locate()))
            for file in found.files or ()
            if file.suffix not in (".pyc", ".so", ".pyd")
            and ".." not in file.parts
            and "dist-info" not in str(file)
        }
        yield _wheel(work, re.sub(r"[-.]", "_", name), found.version, code)


def _needed(name: str, seen: set[str]) -> set[str]:
    """The packages that `name` needs in a browser, and what these need."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        needed = requirement.name.lower()
        wanted = requirement.marker is None or requirement.marker.evaluate({**PLACE, "extra": ""})
        if wanted and needed not in seen and needed not in LEFT_OUT:
            seen.add(needed)
            _needed(needed, seen)
    return seen


def _wheel(work: Path, name: str, version: str, files: dict[Path, Path]) -> Path:
    path = work / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, file in files.items():
            if file.is_file() and "__pycache__" not in inside.parts:
                wheel.write(file, inside.as_posix())
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    return path
