"""The certificates a gateway makes: an authority once, a server certificate whenever one is due."""

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from api import tls
from api.__main__ import names, renew
from runtime.settings import Settings
from runtime.wait import until

NAMES = ["127.0.0.1", "localhost", "::1"]


def loaded(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / name).read_bytes())


def test_the_keys_are_their_owners_alone(tmp_path: Path) -> None:
    tls.ensure(tmp_path / "gateway", NAMES)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "gateway").iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}
    assert stat.S_IMODE((tmp_path / "gateway").stat().st_mode) == 0o700


def test_a_strict_client_that_has_the_authority_believes_the_server(tmp_path: Path) -> None:
    tls.ensure(tmp_path, NAMES)
    builder = PolicyBuilder().store(Store([loaded(tmp_path, tls.AUTHORITY)]))
    chain = builder.build_server_verifier(x509.DNSName("localhost")).verify(loaded(tmp_path, "tls.crt"), [])
    assert [each.subject for each in chain][-1] == loaded(tmp_path, tls.AUTHORITY).subject


def test_nothing_is_made_again_that_still_serves(tmp_path: Path) -> None:
    tls.ensure(tmp_path, NAMES)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    tls.ensure(tmp_path, reversed(NAMES))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_another_name_gets_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    tls.ensure(tmp_path, NAMES)
    authority, server = (tmp_path / "ca.crt").read_bytes(), (tmp_path / "tls.crt").read_bytes()
    tls.ensure(tmp_path, [*NAMES, "gateway.example"])
    assert (tmp_path / "ca.crt").read_bytes() == authority
    assert (tmp_path / "tls.crt").read_bytes() != server
    loaded(tmp_path, "tls.crt").verify_directly_issued_by(loaded(tmp_path, "ca.crt"))


@pytest.mark.parametrize("damage", ["", "nonsense"])
def test_a_damaged_certificate_is_made_again(tmp_path: Path, damage: str) -> None:
    tls.ensure(tmp_path, NAMES)
    (tmp_path / "tls.crt").write_text(damage)
    assert isinstance(tls.ensure(tmp_path, NAMES), ssl.SSLContext)
    assert loaded(tmp_path, "tls.crt").not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


def test_a_certificate_that_ends_soon_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_SERVER_LIFE", timedelta(days=29))
    tls.ensure(tmp_path, NAMES)
    before = (tmp_path / "tls.crt").read_bytes()
    monkeypatch.undo()
    tls.ensure(tmp_path, NAMES)
    assert (tmp_path / "tls.crt").read_bytes() != before


def test_old_protocols_are_not_spoken(tmp_path: Path) -> None:
    assert tls.ensure(tmp_path, NAMES).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_server_that_runs_for_long_renews_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    monkeypatch.setattr(tls, "_SERVER_LIFE", timedelta(days=29))
    context = tls.ensure(settings.gateway_directory, names(settings))
    before = (settings.gateway_directory / "tls.crt").read_bytes()
    renewing = asyncio.create_task(renew(context, settings, every=0.01))

    async def renewed() -> bool:
        return (settings.gateway_directory / "tls.crt").read_bytes() != before

    await until(renewed, every=0.01)
    renewing.cancel()


async def test_a_certificate_that_cannot_be_renewed_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, tried = Settings(home=tmp_path), asyncio.Event()
    context = tls.ensure(settings.gateway_directory, names(settings))

    def full(*_arguments: object) -> None:
        tried.set()
        raise OSError("no space is left")

    monkeypatch.setattr(tls, "refresh", full)
    renewing = asyncio.create_task(renew(context, settings, every=0.01))
    for _ in range(2):
        tried.clear()
        await tried.wait()
    assert not renewing.done()
    renewing.cancel()
