"""Whether KVM truly works: the boot program and the verdict drawn from it."""

import subprocess
from pathlib import Path

import pytest

from drivers.libvirt import LibvirtDriver, probe
from tests.drivers.libvirt_hosts import SessionHost

SOURCE = Path(probe.__file__).with_name("probe.S")
EMULATOR = "/usr/bin/qemu-system-x86_64"


def fake_emulator(folder: Path, script: str) -> str:
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_boot_program_is_its_source_assembled(tmp_path: Path) -> None:
    assembled, image = tmp_path / "probe.o", tmp_path / "probe.bin"
    subprocess.run(["as", "-o", assembled, SOURCE], check=True)
    layout = ["-m", "elf_x86_64", "-e", "0", "-Ttext=0", "--oformat", "binary"]
    subprocess.run(["ld", *layout, "-o", image, assembled], check=True)
    assert probe.rom() == image.read_bytes()


def test_the_boot_program_runs_to_its_end_when_emulated(tmp_path: Path) -> None:
    image = tmp_path / "probe.bin"
    image.write_bytes(probe.rom())
    assert probe._boot(EMULATOR, "tcg", image) == 99


@pytest.mark.parametrize(
    ("script", "name", "why"),
    [
        ("exit 99", "kvm", "booted under KVM"),
        ("exit 1", "tcg", "exit code 1"),
        ("exec sleep 60", "tcg", "hung and was killed"),
        ("kill -ABRT $$", "tcg", "died of SIGABRT"),
    ],
)
def test_only_the_right_exit_code_speaks_for_kvm(tmp_path: Path, script: str, name: str, why: str) -> None:
    verdict = probe.probe(fake_emulator(tmp_path, script))
    assert verdict.name == name
    assert why in verdict.reason


def test_the_verdict_is_drawn_once(tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    emulator = fake_emulator(tmp_path, f"echo ran >> {counter}; exit 99")
    assert probe.probe(emulator) == probe.probe(emulator)
    assert counter.read_text() == "ran\n"


def test_a_host_reports_what_guests_run_under_and_why(libvirt_driver: LibvirtDriver, session_host: SessionHost) -> None:
    facts = libvirt_driver.prepare()
    assert facts.accelerator in {"kvm", "tcg"}
    assert facts.accelerator_reason
    assert facts.driver == "libvirt"
    assert facts.uuid in (session_host.folder / "etc/libvirt/libvirtd.conf").read_text()
    assert facts.memory == _installed_memory()


def _installed_memory() -> int:
    (line,) = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")]
    return int(line.split()[1]) * 1024
