"""How the documentation is built: sphinx-build -W docs docs/_build/html."""

import os
from importlib.metadata import version as installed

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.pop("MPLBACKEND", None)  # a notebook shows figures by its own

project = "probnn"
author = copyright = "the probnn developers"
version = release = installed("probnn")

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build", "README.md", "reference/measured"]
default_role = "code"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say more
numpydoc_show_class_members = False  # autosummary's templates list them

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove"  # TensorFlow's greetings

html_theme = "pydata_sphinx_theme"
html_title = "probnn"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}


def setup(app):
    """Deal the pages, for tutorials that stand together to go to both readers of `-j 2`."""

    def deal(app, env, names):
        names[:] = names[::2] + names[1::2]

    app.connect("env-before-read-docs", deal)
