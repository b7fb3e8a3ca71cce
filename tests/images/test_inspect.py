"""What a stranger's bytes are is decided from the bytes, by parsers that survive any of them."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.problem import Problem
from images.inspect import Shape, check_claim, inspect, wrapper
from images.view import View
from tests.image_server import ImageServer
from tests.images.conftest import Refuse
from tests.images.making import MIB, made, patched, qemu_img, raw_disk

LIMIT = 2**40
REASONS = {"ImageFormatRefused", "ImageFormatMismatch", "ImageCorrupt", "ImageTooLarge"}
FORMATS = ("qcow2", "vmdk", "vdi", "vhd")


def shape(data: bytes, limit: int = LIMIT) -> Shape:
    return inspect(View.of_bytes(data), limit)


def refusal(data: bytes, limit: int = LIMIT) -> Problem:
    with pytest.raises(Problem) as caught:
        shape(data, limit)
    assert caught.value.reason in REASONS
    return caught.value


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One sound image of 2 MiB in every format."""
    folder = tmp_path_factory.mktemp("formats")
    return {form: made(folder, "vpc" if form == "vhd" else form, raw_disk(filled=5000)) for form in FORMATS}


@pytest.mark.parametrize("form", FORMATS)
def test_a_sound_image_is_recognised(images: dict[str, bytes], form: str) -> None:
    found = shape(images[form])
    assert found.format == form
    assert 2 * MIB <= found.virtual_size < 2 * MIB + 2**18


def placed(offset: int, mark: bytes) -> bytes:
    return (bytes(offset) + mark).ljust(128 * 1024, b"\0")


@pytest.mark.parametrize(
    "data",
    [
        raw_disk(),
        placed(512, b"EFI PART"),
        placed(1080, b"\x53\xef"),
        placed(0, b"XFSB"),
        placed(0x10040, b"_BHRfS_M"),
    ],
    ids=["mbr", "gpt", "ext4", "xfs", "btrfs"],
)
def test_a_raw_disk_is_recognised_by_its_partitions_or_file_system(data: bytes) -> None:
    assert shape(data) == Shape(format="raw", virtual_size=len(data))


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"<html>not found</html>", bytes(MIB), b"#!/bin/sh\nexit 0\n" * 100],
    ids=["empty", "one zero", "html", "zeros", "script"],
)
def test_06_an_unknown_format_is_refused(data: bytes) -> None:
    problem = refusal(data)
    assert problem.reason == "ImageFormatRefused"
    assert "unknown format" in problem.message


def test_06_a_raw_disk_that_ends_within_a_sector_is_refused() -> None:
    assert refusal(raw_disk() + b"x").reason == "ImageCorrupt"


@pytest.mark.parametrize(
    ("offset", "mark", "name"),
    [
        (0, b"vhdxfile", "VHDX"),
        (0, b"QED\0", "QED"),
        (0, b"LUKS\xba\xbe", "LUKS"),
        (0, b"COWD", "VMDK version 3"),
        (0, b"WithoutFreeSpace", "Parallels"),
        (32769, b"CD001", "ISO 9660"),
        (128 * 1024 - 512, b"koly", "DMG"),
    ],
)
def test_06_a_format_that_is_not_taken_is_refused_by_name(offset: int, mark: bytes, name: str) -> None:
    assert name in refusal(placed(offset, mark)).message


@pytest.mark.parametrize(
    ("offset", "mark"),
    [(257, b"ustar"), (0, b"PK\x03\x04"), (0, b"7z\xbc\xaf\x27\x1c"), (0, b"BZh"), (0, b"\x28\xb5\x2f\xfd")],
    ids=["tar", "zip", "7z", "bzip2", "zstd"],
)
def test_09_an_archive_is_refused_whole(offset: int, mark: bytes) -> None:
    problem = refusal(placed(offset, mark))
    assert problem.reason == "ImageFormatRefused"
    assert "serve qcow2" in problem.message


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "vdi"])
def test_06_an_image_that_is_a_bootable_disk_at_the_same_time_is_refused(images: dict[str, bytes], form: str) -> None:
    assert refusal(patched(images[form], "2s", 510, b"\x55\xaa")).reason == "ImageFormatMismatch"


@pytest.mark.parametrize(
    ("offset", "mark"), [(0x40, b"\x7f\x10\xda\xbe"), (257, b"ustar"), (32769, b"CD001"), (-512, b"conectix")]
)
def test_06_an_image_with_the_marks_of_two_formats_is_refused(
    images: dict[str, bytes], offset: int, mark: bytes
) -> None:
    data = images["qcow2"]
    at = offset if offset >= 0 else len(data) + offset
    assert refusal(patched(data, f"{len(mark)}s", at, mark)).reason == "ImageFormatMismatch"


def test_03_an_image_called_raw_that_has_a_qcow2_header_is_refused(
    server: ImageServer, refuses: Refuse, small_qcow2: bytes
) -> None:
    assert refuses(server.serve("/disk.raw", small_qcow2)).reason == "ImageFormatMismatch"


def test_03_an_image_called_qcow2_that_is_raw_is_refused(server: ImageServer, refuses: Refuse) -> None:
    assert refuses(server.serve("/disk.qcow2", raw_disk())).reason == "ImageFormatMismatch"


@pytest.mark.parametrize(
    ("path", "actual", "rest"),
    [
        ("/a.img", "qcow2", "/a.img"),
        ("/a", "raw", "/a"),
        ("/a.QCOW2", "qcow2", "/a"),
        ("/a.raw.xz", "xz", "/a.raw"),
        ("/", "raw", "/"),
        ("/.raw", "qcow2", "/.raw"),
    ],
)
def test_a_name_claims_only_what_it_says(path: str, actual: str, rest: str) -> None:
    assert check_claim(path, actual) == rest


@pytest.mark.parametrize(("data", "name"), [(b"\x1f\x8b\x08", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"QFI\xfb", "")])
def test_a_wrapper_is_recognised(data: bytes, name: str) -> None:
    assert wrapper(View.of_bytes(data)) == name


@given(st.binary(max_size=2048))
def test_06_any_bytes_are_an_image_or_a_problem(data: bytes) -> None:
    _either(data)


@given(
    st.sampled_from([b"QFI\xfb\0\0\0\x03", b"QFI\xfb\0\0\0\x02", b"KDMV\x01\0\0\0", b"conectix", b"\xfd7zXZ\0"]),
    st.binary(max_size=1024),
)
def test_06_any_bytes_behind_a_known_mark_are_an_image_or_a_problem(mark: bytes, data: bytes) -> None:
    _either(mark + data)


@pytest.mark.parametrize("form", FORMATS)
def test_06_any_change_to_a_sound_image_gives_an_image_within_limits_or_a_problem(
    images: dict[str, bytes], form: str
) -> None:
    image = images[form]
    header = 1024 if form != "vhd" else len(image)

    @given(st.integers(0, header - 1), st.binary(min_size=1, max_size=8))
    @example(0, b"\xff" * 8)
    def change(offset: int, data: bytes) -> None:
        _either((image[:offset] + data + image[offset + len(data) :])[: len(image)])

    change()


@pytest.mark.parametrize("form", FORMATS)
def test_06_an_image_cut_anywhere_in_its_header_is_a_problem(images: dict[str, bytes], form: str) -> None:
    for length in range(0, 512, 7):
        assert refusal(images[form][:length]).reason in REASONS


def _either(data: bytes) -> None:
    try:
        found = shape(data)
    except Problem as problem:
        assert problem.reason in REASONS  # noqa: PT017 - either outcome is right, each must hold
    else:
        assert 0 < found.virtual_size <= LIMIT


def test_a_view_of_a_file_reads_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        view = View.of_file(file.fileno())
        assert (view.size, view.read(8, 100), view.read(10, 1), view.read(-1, 5)) == (10, b"89", b"", b"")
        assert view.has(-2, b"89")


def test_what_is_accepted_as_qcow2_opens_under_qemu_img(images: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    path.write_bytes(images["qcow2"])
    assert str(shape(images["qcow2"]).virtual_size) in qemu_img("info", "-f", "qcow2", "--output=json", path)
