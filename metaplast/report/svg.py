"""An SVG file as a piece of a page: what draws is kept, everything else is dropped.

A figure's words come from configs and data. They stay text. A picture of a page holds no script, no
style sheet and no reference to anything outside itself.
"""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from metaplast.figures.style import IN_THE_DARK
from metaplast.registry import BadInput

_ELEMENTS = {
    *("svg", "g", "defs", "clipPath", "pattern", "use"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon"),
    *("text", "tspan", "image"),
}
_ATTRIBUTES = {
    *("id", "href", "style", "transform", "viewBox", "preserveAspectRatio"),
    *("x", "y", "width", "height", "x1", "y1", "x2", "y2", "dx", "dy"),
    *("r", "rx", "ry", "cx", "cy", "d", "points"),
    *("clip-path", "clip-rule", "fill-rule", "fill", "stroke", "patternUnits"),
}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_LOCAL = re.compile(r"(?:url\()?#([\w.-]+)\)?")
_DATA = "data:image/png;base64,"
_POINTS_TO_PIXELS = 4 / 3
_LEAST_SIZE = 0.72
"""A picture is not drawn smaller than this share of its size; a narrow page scrolls it."""


def inline(text: str, prefix: str, alt: str) -> str:
    """The SVG element for a page.

    Args:
        text: of an SVG file.
        prefix: of its ids, which no other picture of the page has.
        alt: the words for a reader who does not see the picture.

    Raises: BadInput for a text that is no SVG.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BadInput(
            f"a figure that is no SVG ({error})", "an SVG file", "draw it anew"
        ) from None
    if _local_name(root.tag) != "svg":
        raise BadInput(f"a figure whose root is {root.tag}", "an SVG file", "draw it anew")
    _clean(root)
    _rename(root, prefix)
    _size(root)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode")


def colours_of_pages() -> tuple[str, str]:
    """The declarations of the figures' colours, as a style sheet has them: light, then dark."""
    light = []
    dark = []
    for colour, partner in IN_THE_DARK.items():
        light.append(f"{_variable(colour)}:{colour}")
        dark.append(f"{_variable(colour)}:{partner}")
    return ";".join(light), ";".join(dark)


def _clean(element: ElementTree.Element) -> None:
    """Drop what does not draw, in place, and name the rest without namespaces."""
    element.tag = _local_name(element.tag)
    element.tail = None
    if element.tag not in ("text", "tspan"):
        element.text = None
    kept = {}
    for name, value in element.attrib.items():
        short = _local_name(name)
        if short in _ATTRIBUTES and _is_harmless(short, value):
            if short == "style":
                value = _styled(value)
            if short == "href":
                value = "".join(value.split())
            kept[short] = value
    element.attrib.clear()
    element.attrib.update(kept)
    for child in list(element):
        if isinstance(child.tag, str) and _local_name(child.tag) in _ELEMENTS:
            _clean(child)
        else:
            element.remove(child)


def _is_harmless(name: str, value: str) -> bool:
    """Whether an attribute points nowhere but into its own picture."""
    if name == "href":
        return value.startswith(("#", _DATA))
    without_local = _LOCAL.sub("", value)
    return "url(" not in without_local.lower() and "\\" not in value


def _styled(style: str) -> str:
    """A style with the page's font, and with the page's colours by name."""
    style = _FONT_FAMILY.sub("", style).strip()
    return _COLOUR.sub(_named, style)


def _named(match: re.Match[str]) -> str:
    colour = match.group().lower()
    if colour in IN_THE_DARK:
        return f"var({_variable(colour)})"
    return colour


def _variable(colour: str) -> str:
    return f"--c{colour[1:]}"


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Give the ids that are referred to names of this picture; drop the others."""
    used: dict[str, str] = {}
    for element in root.iter():
        for name, value in element.attrib.items():
            for old in _references(name, value):
                used.setdefault(old, f"{prefix}-{len(used) + 1}")
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", used[old])
        for name, value in element.attrib.items():
            if name != "id" and _references(name, value):
                element.set(name, _renamed(value, used))


def _references(name: str, value: str) -> list[str]:
    """The ids to which an attribute refers."""
    if name == "href" and value.startswith("#"):
        return [value[1:]]
    if "url(#" in value:
        return re.findall(r"url\(#([^)]*)\)", value)
    return []


def _renamed(value: str, names: Mapping[str, str]) -> str:
    if value.startswith("#"):
        return f"#{names[value[1:]]}"
    return re.sub(r"url\(#([^)]*)\)", lambda match: f"url(#{names[match.group(1)]})", value)


def _size(root: ElementTree.Element) -> None:
    """As wide as the page allows, between a share of its own size and its own size."""
    width = root.attrib.pop("width", "")
    root.attrib.pop("height", None)
    points = re.fullmatch(r"([\d.]+)(?:pt)?", width)
    if points is None:
        return
    pixels = float(points.group(1)) * _POINTS_TO_PIXELS
    root.set("style", f"max-width:{pixels:.0f}px;min-width:{_LEAST_SIZE * pixels:.0f}px")


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]
