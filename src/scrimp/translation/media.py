"""Images and documents between OpenAI's parts and Anthropic's blocks."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from scrimp.translation.draft import Draft, Fields, mapping, text, wrong

_PDF = "application/pdf"
_PLAIN = "text/plain"
_PDF_BEGINS = "JVBERi0"  # "%PDF-" in base64
_DETAILS = (None, "auto", "high", "original")
"""What is asked of an image that is looked at in full: nothing more."""
_SEND_DATA = "send its data, or a link"
_SEND_PDF = "send a PDF or plain text as a data URL in file.file_data"


def image_block(part: Fields, where: str, draft: Draft) -> dict[str, Any]:
    """Anthropic's block of an `image_url` part. Raises InvalidRequest."""
    given = mapping(part.get("image_url"), f"{where}.image_url")
    draft.only(given, ("url", "detail"), f"{where}.image_url")
    if given.get("detail") not in _DETAILS:
        raise draft.refusal(f"{where}.image_url.detail", "send a smaller image, or leave it out")
    url = text(given, "url", f"{where}.image_url")
    if url[:5].lower() == "data:":
        kind, data = _taken_apart(url, f"{where}.image_url.url", draft)
        kind = "image/jpeg" if kind == "image/jpg" else kind
        return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
    if url[:8].lower().startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    raise wrong(f"{where}.image_url.url", "a link (https://…) or a data URL")


def document_block(part: Fields, where: str, draft: Draft) -> dict[str, Any]:
    """Anthropic's block of a `file` part. Raises InvalidRequest."""
    given = mapping(part.get("file"), f"{where}.file")
    draft.only(given, ("file_data", "filename", "file_id"), f"{where}.file")
    if given.get("file_id") is not None:
        raise draft.refusal(f"{where}.file.file_id", _SEND_PDF)
    place = f"{where}.file.file_data"
    held = text(given, "file_data", f"{where}.file")
    if held[:5].lower() == "data:":
        kind, data = _taken_apart(held, place, draft)
    else:
        kind, data = _PDF if held.startswith(_PDF_BEGINS) else "", held
    if kind == _PDF:
        source = {"type": "base64", "media_type": _PDF, "data": data}
    elif kind == _PLAIN:
        source = {"type": "text", "media_type": _PLAIN, "data": _decoded(data, place)}
    else:
        raise draft.refusal(place, _SEND_PDF)
    block: dict[str, Any] = {"type": "document", "source": source}
    if given.get("filename") is not None:
        block["title"] = text(given, "filename", f"{where}.file")
    return block


def image_part(block: Fields, where: str, draft: Draft) -> dict[str, Any]:
    """OpenAI's part of an `image` block. Raises InvalidRequest."""
    draft.only(block, ("type", "source", "cache_control"), where)
    mark = draft.mark_of(block)
    source = mapping(block.get("source"), f"{where}.source")
    match source.get("type"):
        case "base64":
            kind = text(source, "media_type", f"{where}.source")
            data = text(source, "data", f"{where}.source")
            url = f"data:{kind};base64,{data}"
        case "url":
            url = text(source, "url", f"{where}.source")
        case _:
            raise draft.refusal(f"{where}.source", _SEND_DATA)
    return {"type": "image_url", "image_url": {"url": url}, **mark}


def file_part(block: Fields, where: str, draft: Draft) -> dict[str, Any]:
    """OpenAI's part of a `document` block. Raises InvalidRequest."""
    draft.only(block, ("type", "source", "title", "citations", "cache_control"), where)
    mark = draft.mark_of(block)
    if block.get("citations") not in (None, {"enabled": False}):
        raise draft.refusal(f"{where}.citations", "leave it out, or ask a model of Anthropic's")
    source = mapping(block.get("source"), f"{where}.source")
    match source.get("type"):
        case "base64":
            kind = text(source, "media_type", f"{where}.source")
            data = text(source, "data", f"{where}.source")
        case "text":
            kind = _PLAIN
            plain = text(source, "data", f"{where}.source")
            data = base64.b64encode(plain.encode()).decode()
        case _:
            raise draft.refusal(f"{where}.source", "send the data of a PDF, or plain text")
    named = "document.pdf" if kind == _PDF else "document.txt"
    if block.get("title") is not None:
        named = text(block, "title", where)
    held = {"filename": named, "file_data": f"data:{kind};base64,{data}"}
    return {"type": "file", "file": held, **mark}


def _taken_apart(url: str, where: str, draft: Draft) -> tuple[str, str]:
    """Media type and base64 data of a data URL (RFC 2397)."""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise draft.refusal(where, "write it as data:TYPE;base64,DATA")
    return head[5:].partition(";")[0].strip().lower(), data


def _decoded(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise wrong(where, "base64 of text in UTF-8") from None
