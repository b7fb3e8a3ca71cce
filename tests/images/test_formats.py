"""Images that lead elsewhere, lie about their size or need what nobody has are refused before any tool opens them."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image_server import ImageServer
from tests.images.conftest import LOCAL, Refuse
from tests.images.making import MIB, made, patched, qemu_img, raw_disk
from tests.images.test_inspect import refusal, shape

EXABYTE = 2**60
Change = Callable[[bytes], bytes]


def put(layout: str, offset: int, *values: int | bytes) -> Change:
    return lambda image: patched(image, layout, offset, *values)


@pytest.fixture(scope="session")
def qcow2(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("qcow2"), "qcow2", raw_disk(filled=5000))


@pytest.fixture(scope="session")
def vmdk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("vmdk"), "vmdk", raw_disk(filled=5000))


@pytest.fixture(scope="session")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A streamOptimized VMDK whose grain directory is at the end, as VMware's exporters write it."""
    image = made(tmp_path_factory.mktemp("s"), "vmdk", raw_disk(filled=5000), "-o", "subformat=streamOptimized")
    streamed = patched(image, "<Q", 56, 2**64 - 1)
    footer = struct.pack("<QII496x", 1, 0, 3) + image[:512] + bytes(512)
    return streamed + footer


@pytest.fixture(scope="session")
def vdi(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("vdi"), "vdi", raw_disk(filled=5000))


@pytest.fixture(scope="session")
def vhd(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("vhd"), "vpc", raw_disk(filled=5000))


@pytest.fixture(scope="session")
def fixed_vhd(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("fixed"), "vpc", raw_disk(filled=5000), "-o", "subformat=fixed")


def qcow2_made(folder: Path, *options: str) -> bytes:
    path = folder / "made.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", *options, path, "2M")
    return path.read_bytes()


def test_01_a_qcow2_image_with_a_backing_file_is_refused(server: ImageServer, refuses: Refuse, tmp_path: Path) -> None:
    image = qcow2_made(tmp_path, "-u", "-b", "/etc/passwd", "-F", "raw")
    problem = refuses(server.serve("/a.qcow2", image))
    assert problem.reason == "ImageFormatRefused"
    assert "backing file" in problem.message


def test_02_a_qcow2_image_with_an_external_data_file_is_refused(
    server: ImageServer, refuses: Refuse, tmp_path: Path
) -> None:
    image = qcow2_made(tmp_path, "-o", f"data_file={tmp_path / 'data'},data_file_raw=on")
    problem = refuses(server.serve("/a.qcow2", image))
    assert problem.reason == "ImageFormatRefused"
    assert "external" in problem.message


def test_02_the_name_of_an_external_data_file_is_refused_even_without_its_feature_bit(tmp_path: Path) -> None:
    image = qcow2_made(tmp_path, "-o", f"data_file={tmp_path / 'data'}")
    assert "external" in refusal(patched(image, ">Q", 72, 0)).message


def test_an_encrypted_qcow2_image_is_refused(tmp_path: Path) -> None:
    secret = ("--object", "secret,id=s,data=secret", "-o", "encrypt.format=aes,encrypt.key-secret=s")
    assert "encrypted" in refusal(qcow2_made(tmp_path, *secret)).message


def test_the_header_of_an_encryption_is_refused_even_without_its_method(qcow2: bytes) -> None:
    assert "encryption" in refusal(patched(qcow2, ">II", 112, 0x0537BE77, 16)).message


def test_a_qcow2_image_with_snapshots_is_refused(qcow2: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    path.write_bytes(qcow2)
    qemu_img("snapshot", "-c", "one", path)
    assert "snapshots" in refusal(path.read_bytes()).message


@pytest.mark.parametrize(
    ("change", "reason", "word"),
    [
        (put(">I", 4, 1), "ImageFormatRefused", "version 1"),
        (put(">I", 4, 4), "ImageFormatRefused", "version 4"),
        (put(">I", 16, 9), "ImageFormatRefused", "backing"),
        (put(">I", 20, 8), "ImageCorrupt", "geometry"),
        (put(">I", 20, 22), "ImageCorrupt", "geometry"),
        (put(">Q", 24, 0), "ImageCorrupt", "geometry"),
        (put(">Q", 24, EXABYTE), "ImageTooLarge", str(EXABYTE)),
        (put(">Q", 24, 2**39), "ImageCorrupt", "cover"),
        (put(">I", 36, 0), "ImageCorrupt", "cover"),
        (put(">I", 36, 2**31), "ImageCorrupt", "misplaced"),
        (put(">I", 36, 2**21), "ImageCorrupt", "outside"),
        (put(">Q", 40, 0), "ImageCorrupt", "misplaced"),
        (put(">Q", 40, 65537), "ImageCorrupt", "misplaced"),
        (put(">Q", 40, 2**40), "ImageCorrupt", "outside"),
        (put(">Q", 48, 2**63), "ImageCorrupt", "outside"),
        (put(">I", 56, 0), "ImageCorrupt", "misplaced"),
        (put(">I", 56, 2**31), "ImageCorrupt", "misplaced"),
        (put(">Q", 72, 1), "ImageCorrupt", "cleanly"),
        (put(">Q", 72, 2), "ImageCorrupt", "cleanly"),
        (put(">Q", 72, 1 << 5), "ImageFormatRefused", "0x20"),
        (put(">Q", 72, 1 << 63), "ImageFormatRefused", "nobody"),
        (put(">I", 96, 7), "ImageCorrupt", "sizes"),
        (put(">I", 100, 72), "ImageCorrupt", "sizes"),
        (put(">I", 100, 2**31), "ImageCorrupt", "sizes"),
        (put(">II", 112, 0x12345678, 2**31), "ImageCorrupt", "extensions"),
    ],
)
def test_07_a_qcow2_header_that_lies_is_refused(qcow2: bytes, change: Change, reason: str, word: str) -> None:
    problem = refusal(change(qcow2))
    assert problem.reason == reason
    assert word in problem.message


@pytest.mark.parametrize(
    "options", ["compat=0.10", "compat=1.1", "extended_l2=on,cluster_size=128k", "compression_type=zstd"]
)
def test_every_sound_kind_of_qcow2_is_taken(tmp_path: Path, options: str) -> None:
    assert shape(made(tmp_path, "qcow2", raw_disk(filled=MIB), "-c", "-o", options)).virtual_size == 2 * MIB


@pytest.mark.parametrize(
    ("change", "reason", "word"),
    [
        (put("<I", 4, 4), "ImageFormatRefused", "version 4"),
        (put("<Q", 12, 0), "ImageCorrupt", "geometry"),
        (put("<Q", 12, EXABYTE // 512), "ImageTooLarge", str(EXABYTE)),
        (put("<Q", 20, 0), "ImageCorrupt", "geometry"),
        (put("<Q", 20, 2**20), "ImageCorrupt", "geometry"),
        (put("<I", 44, 0), "ImageCorrupt", "geometry"),
        (put("<Q", 56, 2**40), "ImageCorrupt", "grain directory"),
        (put("<Q", 28, 0), "ImageFormatRefused", "embedded"),
        (put("<Q", 28, 2**40), "ImageCorrupt", "descriptor"),
        (put("<Q", 36, 0), "ImageFormatRefused", "embedded"),
        (put("<Q", 36, 2**40), "ImageFormatRefused", "embedded"),
        (lambda image: image.replace(b"ffffffff", b"12345678"), "ImageFormatRefused", "parent"),
        (lambda image: image.replace(b'monolithicSparse"', b'monolithicFlat"  '), "ImageFormatRefused", "Sparse"),
        (lambda image: image.replace(b" SPARSE ", b" FLAT   "), "ImageFormatRefused", "extents"),
        (
            lambda image: image.replace(b"# The Disk Data Base", b'\nRW 1 FLAT "/x" 0\n '),
            "ImageFormatRefused",
            "extents",
        ),
        (
            lambda image: image.replace(b"# The Disk Data Base", b'\nparentFileNameHint=""'),
            "ImageFormatRefused",
            "parent",
        ),
    ],
)
def test_05_a_vmdk_header_that_lies_or_leads_elsewhere_is_refused(
    vmdk: bytes, change: Change, reason: str, word: str
) -> None:
    problem = refusal(change(vmdk))
    assert problem.reason == reason
    assert word in problem.message


def test_05_a_vmdk_descriptor_that_names_outside_extents_is_refused(server: ImageServer, refuses: Refuse) -> None:
    text = '# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 4096 FLAT "/etc/shadow" 0\n'
    problem = refuses(server.serve("/a.vmdk", text.encode()))
    assert problem.reason == "ImageFormatRefused"
    assert "descriptor" in problem.message


def test_a_streamed_vmdk_is_taken(streamed: bytes) -> None:
    assert shape(streamed).virtual_size == 2 * MIB


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image + b"x",
        lambda image: image[:-512],
        lambda image: patched(image, "<Q", len(image) - 1024 + 12, EXABYTE // 512),
        lambda image: patched(image, "<Q", len(image) - 1024 + 28, 2),
    ],
    ids=["odd length", "cut", "another capacity", "another descriptor"],
)
def test_07_a_streamed_vmdk_whose_footer_says_something_else_is_refused(streamed: bytes, change: Change) -> None:
    assert refusal(change(streamed)).reason == "ImageCorrupt"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("<I", 0x44, 2), "ImageFormatRefused"),
        (put("<I", 0x4C, 4), "ImageFormatRefused"),
        (put("<16s", 0x1A8, b"x" * 16), "ImageFormatRefused"),
        (put("<16s", 0x1B8, b"x" * 16), "ImageFormatRefused"),
        (put("<Q", 0x170, EXABYTE), "ImageTooLarge"),
        (put("<Q", 0x170, 0), "ImageCorrupt"),
        (put("<I", 0x178, 512), "ImageCorrupt"),
        (put("<I", 0x180, 2**31), "ImageCorrupt"),
        (put("<I", 0x184, 2**31), "ImageCorrupt"),
        (put("<I", 0x158, 77), "ImageCorrupt"),
        (put("<I", 0x154, 2**31), "ImageCorrupt"),
    ],
)
def test_07_a_vdi_header_that_lies_is_refused(vdi: bytes, change: Change, reason: str) -> None:
    assert refusal(change(vdi)).reason == reason


def footer(change: Change) -> Change:
    """Change the footer of a VHD (and its copy at the start), and mend its checksum."""

    def changed(image: bytes) -> bytes:
        tail = patched(change(image[-512:]), ">I", 64, 0)
        tail = patched(tail, ">I", 64, ~sum(tail) & 0xFFFFFFFF)
        head = tail if image.startswith(b"conectix") else image[:512]
        return head + image[512:-512] + tail

    return changed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda image: image[:-512], "ImageCorrupt"),
        (put(">Q", 48, 5), "ImageCorrupt"),
        (footer(put(">Q", 48, 0)), "ImageCorrupt"),
        (footer(put(">Q", 48, EXABYTE)), "ImageTooLarge"),
        (footer(put(">I", 60, 4)), "ImageFormatRefused"),
        (footer(put(">I", 60, 2)), "ImageCorrupt"),
        (footer(put(">Q", 16, 2**40)), "ImageCorrupt"),
        (footer(put(">Q", 16, 0)), "ImageCorrupt"),
        (put(">I", 512 + 28, 0), "ImageCorrupt"),
        (put(">I", 512 + 28, 2**31), "ImageCorrupt"),
        (put(">I", 512 + 32, 1), "ImageCorrupt"),
        (put(">Q", 512 + 16, 2**40), "ImageCorrupt"),
    ],
)
def test_07_a_vhd_that_lies_is_refused(vhd: bytes, change: Change, reason: str) -> None:
    assert refusal(change(vhd)).reason == reason


def test_07_a_vhd_whose_head_is_not_its_footer_is_refused(vhd: bytes) -> None:
    assert refusal(patched(vhd, ">I", 24, 1)).reason == "ImageCorrupt"


def test_a_fixed_vhd_is_a_disk_with_a_footer(fixed_vhd: bytes) -> None:
    assert shape(fixed_vhd).format == "vhd"


def test_07_a_fixed_vhd_shorter_than_its_disk_is_refused(fixed_vhd: bytes) -> None:
    assert refusal(fixed_vhd[:MIB] + fixed_vhd[-512:]).reason == "ImageCorrupt"


def test_07_a_virtual_size_beyond_the_operators_limit_is_refused(
    server: ImageServer, refuses: Refuse, small_qcow2: bytes
) -> None:
    policy = LOCAL.model_copy(update={"max_virtual_size": MIB})
    assert refuses(server.serve("/a.qcow2", small_qcow2), policy=policy).reason == "ImageTooLarge"
    assert refuses(server.serve("/a.raw", raw_disk()), policy=policy).reason == "ImageTooLarge"
