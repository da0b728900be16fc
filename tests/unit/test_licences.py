"""Every package whose code is in the JupyterLab extension is in the wheel's list of licences."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "glm_jupyter" / "labextension"
LISTED = "static/third-party-licenses.json"
PACKAGE = re.compile(r"node_modules/((?:@[^/]+/)?[^/]+)/(?!.*node_modules/)")
# Licences that ask for no more than their text. None asks that what uses them be free, too.
PERMISSIVE = {"MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD", "CC0-1.0"}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same build with source maps, which tell whose code is in it."""
    binaries = Path(sys.executable).parent
    if not shutil.which("jupyter-builder", path=binaries):
        pytest.skip("the extension's builder is one of the developers' tools")
    source = tmp_path_factory.mktemp("build") / "labextension"
    left = shutil.ignore_patterns("node_modules", "test")
    shutil.copytree(ROOT / "labextension", source, ignore=left)
    (source / "node_modules").symlink_to(ROOT / "labextension" / "node_modules")
    subprocess.run(
        [binaries / "jupyter-builder", "build", "--source-map=True", "."],
        cwd=source,
        env=os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
    return source.parent / "glm_jupyter" / "labextension"


@pytest.mark.skipif(sys.platform == "win32", reason="links to folders need rights there")
def test_each_bundled_package_is_listed_with_its_licence(mapped: Path) -> None:
    listed = json.loads((BUILT / LISTED).read_text("utf-8"))["packages"]
    maps = list((mapped / "static").glob("*.map"))
    assert maps
    sources = [each for file in maps for each in json.loads(file.read_text("utf-8"))["sources"]]
    assert any("src/index.ts" in each or "lib/index.js" in each for each in sources)
    bundled = {found[1] for each in sources if (found := PACKAGE.search(each))}
    assert bundled
    assert bundled <= {each["name"] for each in listed}
    for each in listed:
        assert each["licenseId"] in PERMISSIVE
        assert "Permission" in each["extractedText"] or "Redistribution" in each["extractedText"]
        installed = ROOT / "labextension" / "node_modules" / each["name"] / "package.json"
        assert json.loads(installed.read_text("utf-8"))["license"] == each["licenseId"]
