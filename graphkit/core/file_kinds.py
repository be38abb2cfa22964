"""Recognize, from its first bytes, the kind of a file that was mistaken for a model; used in messages."""

from __future__ import annotations

_STARTS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer, not the file itself; fetch the file itself with `git lfs pull`",
    ),
    (
        b"/annex/objects/",
        "a git-annex pointer, not the file itself; fetch the file itself with `git annex get`",
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip file"),
    (b"PK\x05\x06", "an empty zip file"),
    (b"\x80", "a Python pickle (PyTorch, joblib); it could run code, so it is not opened"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"(\xb5/\xfd", "a Zstandard file; unpack it first"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"%PDF", "a PDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"GGUF", "a GGUF file (llama.cpp)"),
    (b"\x7fELF", "a program or library"),
)
_TAR = b"ustar"  # at byte 257
_PRINTED = frozenset(range(0x20, 0x7F)) | set(b"\t\r\n")
_MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML file"))
_TFLITE = b"TFL3"  # at byte 4
_TEXT = (b"{", b"[")


def other_kind(head: bytes) -> str | None:
    """Return the kind of a file that begins with these bytes, if it is certainly not a binary model format; else None."""
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "a file that begins with zero bytes, such as an unfinished download"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    for start, name in _MARKUP:
        if text.startswith(start):
            return f"{name}, such as a download page or a server's error message"
    if head[257 : 257 + len(_TAR)] == _TAR:
        return "a tar archive; unpack it first"
    if head[4:8] == _TFLITE:
        return "a TensorFlow Lite file"
    return "text in JSON" if text[:1] in _TEXT and b"\0" not in head else None


def is_text(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is plain text."""
    return bool(head) and all(byte in _PRINTED for byte in head.removeprefix(b"\xef\xbb\xbf"))


def not_binary(head: bytes) -> str | None:
    """Return what a file is that should be binary but is not: its kind, or plain text. None if it may be binary."""
    return other_kind(head) or (f"plain text that begins with {head[:40].decode()!r}" if is_text(head) else None)
