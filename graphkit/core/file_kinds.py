"""What a file really is that was taken for a model: told by its first bytes, for messages."""

from __future__ import annotations

_STARTS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer, which only stands for the file; fetch the file itself with `git lfs pull`",
    ),
    (
        b"/annex/objects/",
        "a git-annex pointer, which only stands for the file; fetch the file itself with `git annex get`",
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip file"),
    (b"PK\x05\x06", "an empty zip file"),
    (b"\x80", "a Python pickle (PyTorch, joblib); it could run code, so it is not opened"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"(\xb5/\xfd", "a Zstandard file; unpack it first"),
    (b"\x93NUMPY", "an array of NumPy (.npy)"),
    (b"%PDF", "a PDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"GGUF", "a GGUF file of llama.cpp"),
    (b"\x7fELF", "a program or library"),
)
_TAR = b"ustar"  # behind 257 bytes
_PRINTED = frozenset(range(0x20, 0x7F)) | set(b"\t\r\n")
_MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML file"))
_TFLITE = b"TFL3"  # behind an offset of four bytes
_TEXT = (b"{", b"[")


def other_kind(head: bytes) -> str | None:
    """What a file is that begins with these bytes, where that is surely none of the binary model formats; else None."""
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "a file that begins with zeros only, such as an unfinished download"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    for start, name in _MARKUP:
        if text.startswith(start):
            return f"{name}, such as a download page or an error of a server"
    if head[257 : 257 + len(_TAR)] == _TAR:
        return "a tar archive; unpack it first"
    if head[4:8] == _TFLITE:
        return "a TensorFlow Lite file"
    return "text in JSON" if text[:1] in _TEXT and b"\0" not in head else None


def is_text(head: bytes) -> bool:
    """Whether a file that begins with these bytes is plain text."""
    return bool(head) and all(byte in _PRINTED for byte in head.removeprefix(b"\xef\xbb\xbf"))
