"""get_file: what is downloaded, cached, verified and unpacked."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from graphkit.errors import InvalidArgumentError, SerializationError
from graphkit.utils import files, get_file
from graphkit.utils.files import DownloadError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "there" / "data.bin"
    file.parent.mkdir()
    file.write_bytes(b"numbers" * 100)
    return file


def test_a_file_is_fetched_once(source: Path, tmp_path: Path) -> None:
    first = get_file(origin=source.as_uri(), cache_dir=tmp_path / "cache")
    source.write_bytes(b"changed")

    again = get_file(origin=source.as_uri(), cache_dir=tmp_path / "cache")

    assert first == again == str(tmp_path / "cache" / "datasets" / "data.bin")
    assert Path(again).read_bytes() == b"numbers" * 100
    forced = get_file(origin=source.as_uri(), cache_dir=tmp_path / "cache", force_download=True)
    assert Path(forced).read_bytes() == b"changed"


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_wrong_hash_is_refused_and_nothing_is_left(source: Path, tmp_path: Path, algorithm: str) -> None:
    right = getattr(hashlib, algorithm)(source.read_bytes()).hexdigest()
    get_file(origin=source.as_uri(), cache_dir=tmp_path / "a", file_hash=right)

    with pytest.raises(InvalidArgumentError, match="corrupted"):
        get_file(origin=source.as_uri(), cache_dir=tmp_path / "b", file_hash=right[::-1])

    assert list((tmp_path / "b" / "datasets").iterdir()) == []


def test_a_kept_file_with_another_hash_is_fetched_anew(source: Path, tmp_path: Path) -> None:
    get_file(origin=source.as_uri(), cache_dir=tmp_path)
    source.write_bytes(b"newer")

    found = get_file(origin=source.as_uri(), cache_dir=tmp_path, file_hash=hashlib.sha256(b"newer").hexdigest())

    assert Path(found).read_bytes() == b"newer"


def test_archives_are_unpacked_inside_of_their_folder_only(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("in/file.txt", "hello")
        packed.writestr("../out.txt", "evil")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, text in {"in/file.txt": b"hello", "../out.txt": b"evil"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))

    for name in ("a.zip", "a.tar.gz"):
        with pytest.warns(UserWarning, match="Skipping invalid path"):
            found = Path(get_file(name, (tmp_path / name).as_uri(), extract=True, cache_dir=tmp_path / name[2:]))
        assert found.name == "a_extracted"
        assert (found / "in" / "file.txt").read_text() == "hello"
        assert not list(tmp_path.rglob("out.txt"))


def test_what_cannot_be_fetched_says_so(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="URL fetch failure on file:"):
        get_file(origin=(tmp_path / "absent").as_uri(), cache_dir=tmp_path / "cache")
    with pytest.raises(InvalidArgumentError, match="Paths are no longer accepted"):
        get_file("a/b", origin="file:///x", cache_dir=tmp_path)
    with pytest.raises(InvalidArgumentError, match="origin"):
        get_file("name")


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_UNPACKED", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(10**6))

    with pytest.raises(SerializationError, match="more than 200 times"):
        get_file(origin=(tmp_path / "a.zip").as_uri(), cache_dir=tmp_path / "cache", extract=True)


def test_the_message_of_a_failed_download_names_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"copy it to .*cache.datasets.none\.bin"):
        get_file(origin=(tmp_path / "none.bin").as_uri(), cache_dir=tmp_path / "cache")
