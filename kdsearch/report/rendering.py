"""HTML from the templates beside this file, which escape all that they are given unless it is markup of ours."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_template(template: str, /, **values: Any) -> str:
    """The template with these values; it also knows our ``style`` and ``script``, and the script's ``digest``."""
    script = _read("page.js")
    own = {"style": Markup(_read("style.css")), "script": Markup(script), "digest": _digest(script)}
    return _templates().get_template(template).render(own | values)


@cache
def _templates() -> Environment:
    loader = PackageLoader("kdsearch.report")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["keep_units"] = _keep_units
    return made


def _keep_units(sentence: str) -> str:
    """The sentence with every % on the line of its number."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def _read(name: str) -> str:
    return resources.files("kdsearch.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
