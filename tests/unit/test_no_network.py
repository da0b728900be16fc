"""Importing the package, and loading the extension, ask nothing of the network."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own, whose sockets raise before anything of the package is imported.
IMPORTED = """
import importlib, pkgutil, socket

tried = []

def refuse(*args, **options):
    tried.append(args)
    raise OSError("no network at import")

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "create_connection"):
    setattr(socket, name, refuse)

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "glm_jupyter")
import glm_jupyter

found = pkgutil.walk_packages(glm_jupyter.__path__, "glm_jupyter.")
names = [each.name for each in found if not each.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
assert not tried, tried
print(len(names))
"""


def test_importing_every_module_and_loading_the_extension_try_no_connection() -> None:
    pytest.importorskip("dask")  # which the lowest versions are tested without
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 150
