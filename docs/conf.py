"""How Sphinx builds this site: `python -m sphinx -W docs build/docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "glm-jupyter"
author = "The glm-jupyter developers"
copyright = "2026, The glm-jupyter developers"
version = release = version_of("glm-jupyter")

extensions = ["myst_parser", "sphinx.ext.autodoc", "generated"]
source_suffix = {".md": "markdown"}

# Docstrings are plain text in which `name` is code.
default_role = "code"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
add_module_names = False

smartquotes = False  # it would join the hyphens of options
myst_heading_anchors = 3

html_theme = "alabaster"
html_theme_options = {"description": "Ask GLM models in a notebook cell.", "page_width": "1080px"}
html_title = "glm-jupyter"
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
    """Sphinx calls this when it starts."""
    app.connect("html-page-context", tell_language)


def tell_language(
    _app: Sphinx, page: str, _template: str, context: dict[str, Any], *_: Any
) -> None:
    """Tell browsers and screen readers which pages are in Chinese."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"
