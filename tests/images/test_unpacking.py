"""Compressed images are unpacked by streaming, within limits, or refused whole."""

import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.image import ImportProgress
from images.unpack import _blocks, _Gzip, _Xz
from tests.image_server import ImageServer
from tests.images.conftest import KEY, LOCAL, Ensure, Refuse
from tests.images.making import MIB, contents, noise, raw_disk

CAPPED = LOCAL.model_copy(update={"max_output_bytes": 4 * MIB})
Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {"gz": gzip.compress, "xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKS)
def test_a_compressed_qcow2_image_is_published_unpacked(
    server: ImageServer, ensure: Ensure, folder: Path, small_qcow2: bytes, suffix: str
) -> None:
    facts = ensure(server.serve(f"/a.qcow2.{suffix}", PACKS[suffix](small_qcow2)))
    assert facts.format == "qcow2"
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2


@pytest.mark.parametrize("suffix", PACKS)
def test_a_compressed_raw_disk_is_unpacked_and_converted(
    server: ImageServer, ensure: Ensure, folder: Path, tmp_path: Path, suffix: str
) -> None:
    disk = raw_disk(5 * MIB, filled=MIB)
    facts = ensure(server.serve(f"/a.raw.{suffix}", PACKS[suffix](disk)))
    assert (facts.format, facts.virtual_size) == ("raw", 5 * MIB)
    assert contents(folder / f"{KEY}.qcow2", tmp_path) == disk
    assert sorted(path.name for path in folder.iterdir()) == [f"{KEY}.json", f"{KEY}.qcow2"]


@pytest.mark.parametrize("suffix", PACKS)
def test_several_streams_one_after_the_other_are_one_image(
    server: ImageServer, ensure: Ensure, folder: Path, small_qcow2: bytes, suffix: str
) -> None:
    half = len(small_qcow2) // 2
    pack = PACKS[suffix]
    body = pack(small_qcow2[:half]) + bytes(8) + pack(small_qcow2[half:]) + bytes(4)
    ensure(server.serve(f"/a.{suffix}", body))
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2


@given(
    st.lists(st.tuples(st.integers(0, 3 * MIB), st.booleans()), min_size=1, max_size=3), st.sampled_from(["gz", "xz"])
)
def test_what_was_packed_comes_out(parts: list[tuple[int, bool]], suffix: str) -> None:
    data = [noise(size % 5000) if random else bytes(size) for size, random in parts]
    packed = b"".join(PACKS[suffix](part) for part in data)
    blocks = list(_blocks(_Gzip if suffix == "gz" else _Xz, io.BytesIO(packed)))
    assert b"".join(blocks) == b"".join(data)
    assert max(map(len, blocks)) <= MIB


@pytest.mark.parametrize("suffix", PACKS)
def test_08_a_bomb_is_stopped_at_the_output_cap(
    server: ImageServer, refuses: Refuse, folder: Path, suffix: str
) -> None:
    bomb = PACKS[suffix](raw_disk(64 * MIB))
    assert len(bomb) < MIB // 8
    problem = refuses(server.serve(f"/a.{suffix}", bomb), policy=CAPPED)
    assert problem.reason == "ImageTooLarge"


def test_08_a_zstd_image_is_refused_by_name(server: ImageServer, refuses: Refuse, small_qcow2: bytes) -> None:
    packed = subprocess.run(["zstd", "-q", "-c"], input=small_qcow2, capture_output=True, check=True).stdout
    problem = refuses(server.serve("/a.qcow2.zst", packed))
    assert problem.reason == "ImageFormatRefused"
    assert "zstd" in problem.message


def test_08_a_bomb_in_a_bomb_is_refused(server: ImageServer, refuses: Refuse) -> None:
    nested = gzip.compress(gzip.compress(raw_disk(64 * MIB)))
    assert refuses(server.serve("/a.gz", nested)).reason == "ImageFormatRefused"


def test_08_an_xz_image_that_needs_much_memory_is_refused(server: ImageServer, refuses: Refuse) -> None:
    small = lzma.compress(raw_disk())
    # One byte of the block header says how large the dictionary is (xz format 1.1.0, 5.3.1); a checksum follows.
    block = bytearray(small[12:24])
    block[4] = 36
    block[8:12] = crc32(bytes(block[:8])).to_bytes(4, "little")
    assert refuses(server.serve("/a.xz", small[:12] + bytes(block) + small[24:])).reason == "ImageCorrupt"


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage behind"])
def test_a_damaged_wrapper_is_refused(
    server: ImageServer, refuses: Refuse, small_qcow2: bytes, suffix: str, damage: str
) -> None:
    body = PACKS[suffix](small_qcow2)
    middle = len(body) // 2
    damaged = {
        "cut": body[:-20],
        "flipped": body[:middle] + bytes([body[middle] ^ 255]) + body[middle + 1 :],
        "garbage behind": body + b"#!/bin/sh",
    }
    assert refuses(server.serve(f"/a.{suffix}", damaged[damage])).reason == "ImageCorrupt"


def hostile_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("../../etc/cron.d/evil", "/etc/passwd", "disk.qcow2"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
        device = tarfile.TarInfo("device")
        device.type = tarfile.BLKTYPE
        archive.addfile(device)
    return buffer.getvalue()


def hostile_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../etc/cron.d/evil", b"* * * * * root true")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("/a.tar", hostile_tar()),
        ("/a.ova", hostile_tar()),
        ("/a.tar.gz", gzip.compress(hostile_tar())),
        ("/a.tgz", gzip.compress(hostile_tar())),
        ("/a.tar.xz", lzma.compress(hostile_tar())),
        ("/a.zip", hostile_zip()),
    ],
)
def test_09_an_archive_is_refused_and_nothing_of_it_is_extracted(
    server: ImageServer, refuses: Refuse, name: str, body: bytes
) -> None:
    assert refuses(server.serve(name, body)).reason == "ImageFormatRefused"


def test_unpacking_shows_progress_and_can_be_stopped(server: ImageServer, ensure: Ensure, folder: Path) -> None:
    class StopError(Exception):
        pass

    def stop(progress: ImportProgress) -> None:
        if progress.stage == "converting":
            raise StopError

    with pytest.raises(StopError):
        ensure(server.serve("/a.gz", gzip.compress(raw_disk())), beat=stop)
    assert sorted(path.name for path in folder.iterdir()) == [f"{KEY}.cursor", f"{KEY}.partial"]
