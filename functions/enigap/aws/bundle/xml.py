"""EC2's answers in XML as JSON, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree as ET


def from_xml(body: bytes) -> dict[str, Any]:
    """EC2's answer: elements called `item` are a list, others members. Raises ValueError.

    A document with a document type, which may define entities, is refused.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("an answer with a document type")
    try:
        root = ET.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body, count=1))  # noqa: S314 - no entities
    except ET.ParseError as error:
        raise ValueError("an answer that is no XML") from error
    found = _from_element(root)
    return found if isinstance(found, dict) else {}


def _from_element(element: ET.Element) -> Any:
    children = list(element)
    if not children:
        return [] if element.tag in _LISTS else (element.text or "")
    if all(child.tag == "item" for child in children):
        return [_from_element(child) for child in children]
    return {child.tag: _from_element(child) for child in children}


_LISTS: Final = frozenset(
    {
        "reservationSet",
        "instancesSet",
        "tagSet",
        "networkInterfaceSet",
        "instanceTypeSet",
        "networkCards",
        "trafficMirrorSessionSet",
    }
)


def to_xml(operation: str, answer: Mapping[str, Any]) -> bytes:
    root = ET.Element(f"{operation}Response")
    _fill(root, answer)
    return ET.tostring(root)


def _fill(element: ET.Element, value: Any) -> None:
    if isinstance(value, Mapping):
        for key, child in value.items():
            _fill(ET.SubElement(element, key), child)
    elif isinstance(value, list):
        for child in value:
            _fill(ET.SubElement(element, "item"), child)
    else:
        element.text = str(value)
