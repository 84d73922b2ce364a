"""Settings of Sphinx for the site of the documentation; .ci/docs builds it."""

import re
from pathlib import Path

from pygments.lexers import ProtoBufLexer, TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]

project = "netc"
release = re.search(r'VERSION = "(.+)"', (ROOT / "netc" / "version.py").read_text())[1]
html_title = f"netc {release}"
extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # some blocks show a mistake

html_theme = "furo"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_favicon = str(ROOT / "netc" / "zoo" / "site" / "icon.png")
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-sidebar-link-text--top-level": "#333a41",
        "color-brand-primary": "#1f4e79",
        "color-brand-content": "#1f5f99",
    },
    "dark_css_variables": {
        "color-sidebar-link-text--top-level": "#cfd6dd",
        "color-brand-primary": "#8ab8e6",
        "color-brand-content": "#8ab8e6",
    },
}


def setup(app: Sphinx) -> None:
    """Languages of code blocks that Pygments calls otherwise."""
    app.add_lexer("prototxt", ProtoBufLexer)
    app.add_lexer("csv", TextLexer)
