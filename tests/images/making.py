"""Images for tests, made by qemu-img or by hand."""

import json
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

MIB = 2**20


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that do not compress, the same every time."""
    return random.Random(seed).randbytes(size)


def raw_disk(size: int = 2 * MIB, *, filled: int = 0, seed: int = 1) -> bytes:
    """Return a raw disk with an MBR signature and `filled` bytes of noise from its second sector on."""
    return (bytes(510) + b"\x55\xaa" + noise(filled, seed)).ljust(size, b"\0")


def qemu_img(*arguments: str | Path) -> str:
    done = subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True, text=True)
    return done.stdout


def info(image: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(qemu_img("info", "-f", "qcow2", "--output=json", image))
    return facts


def made(folder: Path, form: str, content: bytes, *options: str) -> bytes:
    """Return `content`, a raw disk, as an image of QEMU's format `form`."""
    source, target = folder / "making.raw", folder / f"making.{form}"
    source.write_bytes(content)
    qemu_img("convert", "-f", "raw", "-O", form, *options, source, target)
    data = target.read_bytes()
    source.unlink()
    target.unlink()
    return data


def contents(image: Path, folder: Path) -> bytes:
    """Return the raw disk a qcow2 image shows."""
    target = folder / "contents.raw"
    qemu_img("convert", "-f", "qcow2", "-O", "raw", image, target)
    data = target.read_bytes()
    target.unlink()
    return data


def patched(image: bytes, layout: str, offset: int, *values: int | bytes) -> bytes:
    """Return the image with fields written over."""
    changed = bytearray(image)
    struct.pack_into(layout, changed, offset, *values)
    return bytes(changed)
