"""The documentation builds without a warning, and every block of code in it works.

A page's `python` blocks and `%%glm` cells run in their order in one kernel, whose service is the
protocol server. A comment before a block says what the server answers: `<!-- reply: TEXT -->`,
`<!-- every reply: TEXT -->`, `<!-- call: FUNCTION {"argument": 1} -->`; else it is "Hello.".
After `<!-- fails -->` a block must fail.
Blocks of `output`, and of `text` that are no cell, are there to be looked at.
A page in Chinese is built as its page in English, and runs where its code is another one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from traitlets.config import Config

from glm_jupyter.api import catalogue_file
from glm_jupyter.engine import weights
from glm_jupyter.gateway import config as gateway_config
from glm_jupyter.money.ceiling import GLMCeiling
from glm_jupyter.sessions.settings import GLM
from tests.kernels import kernel
from tests.protocol_server import ProtocolServer, Reply

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
IN_CHINESE = {
    ROOT / "README.md": ROOT / "README.zh-CN.md",
    **{
        page: ROOT / "docs" / "zh" / page.relative_to(ROOT / "docs")
        for pattern in ("index.md", "tutorial.md", "howto/*.md")
        for page in sorted((ROOT / "docs").glob(pattern))
    },
}
SERVED_ELSEWHERE = re.compile(r"http://localhost:\d+/v1")
SAID = re.compile(r"<!-- (reply|every reply|call): (.*?) -->", re.DOTALL)
CONFIGURATION = re.compile(r"# (ipython|jupyterhub)_config\.py\n")


@dataclass
class Block:
    """A block of code, and the replies that its page has announced for it."""

    language: str
    code: str
    replies: list[tuple[str, str]] = field(default_factory=list)
    fails: bool = False

    @property
    def runs_in_a_kernel(self) -> bool:
        if self.language == "python":
            return not CONFIGURATION.match(self.code)
        return self.is_a_cell

    @property
    def is_a_cell(self) -> bool:
        return self.language == "text" and self.code.startswith("%%glm")

    @property
    def acts(self) -> str:
        """What decides how the block runs: of a cell the options and the values, not the prose."""
        if not self.is_a_cell:
            return self.code
        options, _, prompt = self.code.partition("\n")
        return "\n".join([options, *re.findall(r"{{.*?}}", prompt)])


def blocks(page: Path) -> Iterator[Block]:
    announced: list[tuple[str, str]] = []
    fails = False
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            announced += SAID.findall(token.content)
            fails = "<!-- fails -->" in token.content
        elif token.type == "fence" and not token.info.startswith("{"):  # not a directive
            yield Block(token.info, token.content, announced, fails)
            announced, fails = [], False


def announce(server: ProtocolServer, block: Block) -> None:
    """Let the server say what the page has announced."""
    for kind, text in block.replies:
        if kind == "call":
            name, arguments = text.split(" ", 1)
            call = {"name": name, "arguments": json.loads(arguments)}
            server.enqueue(Reply("", tool_calls=[call], finish_reason="tool_calls"))
        elif kind == "reply":
            server.enqueue(Reply(text))
        else:
            server.default = Reply(text)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def what_runs(page: Path) -> list[tuple[str, bool, list[tuple[str, str]]]]:
    return [
        (block.acts, block.fails, block.replies) for block in blocks(page) if block.runs_in_a_kernel
    ]


SAME_AS_IN_ENGLISH = {
    chinese
    for page, chinese in IN_CHINESE.items()
    if chinese in PAGES and what_runs(chinese) == what_runs(page)
}


def outline(page: Path) -> list[str]:
    """How a page is built, whatever its language: headings, lists, tables, blocks of code."""
    parts = []
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type == "heading_open":
            parts.append(token.tag)
        elif token.type in ("list_item_open", "tr_open"):
            parts.append(token.type)
        elif token.type == "fence" and not token.info.startswith("{"):
            if Block(token.info, token.content).runs_in_a_kernel:
                words = token.content.partition("\n")[0].split()
                options = [word for word in words if word.startswith(("%", "-"))]
                parts.append(" ".join([token.info, *options]))
            else:  # the same, but for its comments
                parts.append(re.sub(r"\s*#.*", "", token.content))
    return parts


@pytest.mark.parametrize("page", IN_CHINESE, ids=name)
def test_a_page_and_its_chinese_one_are_built_alike_and_lead_to_each_other(page: Path) -> None:
    chinese = IN_CHINESE[page]
    assert outline(chinese) == outline(page)
    for one, other in ((page, chinese), (chinese, page)):
        language = next(line for line in one.read_text("utf-8").splitlines()[1:] if line)
        assert language.endswith(f"]({Path(os.path.relpath(other, one.parent)).as_posix()})")


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in SAME_AS_IN_ENGLISH and what_runs(page)],
    ids=name,
)
def test_what_runs_in_a_notebook_runs(page: Path, server: ProtocolServer, tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        **{f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "CACHE")},
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "ZAI_API_KEY": "a.key",
        "ZAI_BASE_URL": server.url,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    with kernel(env) as running:
        running.run("import os; os.chdir(os.environ['HOME'])")
        for block in blocks(page):
            if not block.runs_in_a_kernel:
                continue
            for file in re.findall(r"[\w.-]+\.gguf", block.code):
                if not (tmp_path / file).exists():
                    small = weights.ensure(lambda *_: None, threading.Event())
                    (tmp_path / file).symlink_to(small)
            announce(server, block)
            run = running.run(SERVED_ELSEWHERE.sub(f"{server.root}/v1", block.code))
            assert run.ok != block.fails, f"{block.code}\n{run.error}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_does_not_run_in_a_notebook_is_well_formed(
    page: Path, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZAI_API_KEY", "a.key")
    for block in blocks(page):
        if block.runs_in_a_kernel or block.language in ("text", "output"):
            continue
        match block.language:
            case "bash":
                subprocess.run(["bash", "-n", "-c", block.code], check=True)
            case "toml" if block.code.startswith("# glm_gateway.toml"):
                file = tmp_path / "glm_gateway.toml"
                file.write_text(block.code, "utf-8")
                assert gateway_config.load(file, {"ZAI_API_KEY": "a.key"})
            case "yaml":
                assert yaml.safe_load(block.code)
            case "toml":
                assert catalogue_file.read(block.code, name(page))
            case "python":
                configure(block.code)
            case other:
                pytest.fail(f"nobody checks a block of {other!r}:\n{block.code}")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_its_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def configure(code: str) -> None:
    """Run a configuration file, and see that what it sets of ours exists."""
    config = Config()
    exec(code, {"c": config})
    assert config
    for kind in (GLM, GLMCeiling):
        settings = config.get(kind.__name__, {})
        assert set(settings) <= set(kind.class_trait_names(config=True))
        kind(config=config)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    built = subprocess.run(
        [*command, "-d", str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path / "site")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    cell = (tmp_path / "site" / "reference" / "cell.html").read_text(encoding="utf-8")
    assert "--no-think" in cell
    assert "{glm-options}" not in cell
