"""Builds the wheel twice, in folders of different names, and compares the two byte for byte.

python -m tests.reproducible
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]


def built(folder: Path) -> Path:
    """The wheel of this tree's files as git knows them, built in `folder`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    made = folder / "dist"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(made)]
    subprocess.run([*pip, str(folder)], check=True)
    (wheel,) = made.glob("*.whl")
    return wheel


def contents(wheel: Path) -> set[tuple[str, int]]:
    with ZipFile(wheel) as zipped:
        return {(each.filename, each.CRC) for each in zipped.infolist()}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        one, other = (built(Path(home) / name) for name in ("one", "another/place"))
        if one.read_bytes() == other.read_bytes():
            print(f"{one.name}: two builds are the same, {one.stat().st_size:,} bytes")
            return
        with ZipFile(one) as first, ZipFile(other) as second:
            parts = [
                {each.filename: each.CRC for each in zipped.infolist()}
                for zipped in (first, second)
            ]
        different = sorted(name for name, _ in parts[0].items() ^ parts[1].items())
        sys.exit(f"{one.name}: two builds differ in {', '.join(different) or 'order or times'}")


if __name__ == "__main__":
    main()
