"""Sealing: what a Secret says is read by nobody but those who hold the key, and nothing else is touched."""

import base64
import json
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.problem import Problem
from manifests.base import InvalidManifestError
from manifests.configuration import LAST_APPLIED, SEALED
from manifests.contract import ReplaceRequest
from manifests.registry import kind_called, parse
from runtime.client import connect
from runtime.objects import Applied, Objects
from runtime.sealing import Keyring, ensure_key_file
from tests.temporal_server import private_server
from workers.lifecycle import workers

PASSWORD = "correct horse battery staple"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "sealing.keys"
    assert ensure_key_file(path)
    return path


@pytest.fixture
def keyring(path: Path) -> Keyring:
    return Keyring(path)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str = "db", **fields: Any) -> dict[str, Any]:
    data = {"password": b64(PASSWORD)}
    meta = {"name": name, "namespace": "team", "annotations": {LAST_APPLIED: json.dumps({"data": data})}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data, **fields}


def refused(call: Any, *arguments: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments)
    return caught.value


def test_a_key_file_is_for_its_owner_alone_and_made_once(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    assert not ensure_key_file(path)
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]


def test_of_many_who_make_a_key_file_one_does(tmp_path: Path) -> None:
    path = tmp_path / "sealing.keys"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ensure_key_file(path), range(32)))
    assert made.count(True) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_sealed_opens_to_what_it_was_and_tells_nothing(keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    assert all(SEALED.fullmatch(value) for value in sealed["data"].values())
    assert SEALED.fullmatch(sealed["metadata"]["annotations"][LAST_APPLIED])
    assert PASSWORD not in str(sealed)
    assert b64(PASSWORD) not in str(sealed)
    assert keyring.open(sealed) == secret()
    parse(sealed).check_at_rest()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.from_regex(r"[a-z.]{1,9}x", fullmatch=True), st.binary(max_size=200)))
def test_any_bytes_come_back(keyring: Keyring, data: dict[str, bytes]) -> None:
    written = {key: base64.b64encode(value).decode() for key, value in data.items()}
    document = {**secret(), "data": written}
    assert keyring.open(keyring.seal(document)) == document


def test_the_same_value_is_never_sealed_the_same_way(keyring: Keyring) -> None:
    assert keyring.seal(secret())["data"] != keyring.seal(secret())["data"]


def test_a_value_that_stays_keeps_its_seal(keyring: Keyring) -> None:
    before = keyring.seal(secret())
    assert keyring.seal(secret(), before) == before
    after = keyring.seal({**secret(), "data": {"password": b64(PASSWORD), "user": b64("ada")}}, before)
    assert after["data"]["password"] == before["data"]["password"]
    assert keyring.open(after)["data"]["user"] == b64("ada")
    changed = keyring.seal({**secret(), "data": {"password": b64("another")}}, before)
    assert changed["data"] != before["data"]


def test_what_is_sealed_already_stays_so(keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    assert keyring.seal(sealed) == sealed


def test_what_only_looks_sealed_is_refused(keyring: Keyring) -> None:
    other = keyring.seal(secret("other"))
    for value in (other["data"]["password"], "sealed:00000000:" + "A" * 40):
        with pytest.raises(InvalidManifestError, match="write"):
            keyring.seal({**secret(), "data": {"password": value}})


@pytest.mark.parametrize("document", [{"kind": "ConfigMap", "data": {"a": "b"}}, {"kind": "Zone"}, {}])
def test_what_is_no_secret_needs_no_key(document: dict[str, Any]) -> None:
    assert Keyring().seal(document) == document
    assert Keyring().open(document) == document


def test_a_secret_without_values_needs_no_key() -> None:
    empty = {"kind": "Secret", "metadata": {"name": "empty"}}
    assert Keyring().seal(empty) == empty


def test_a_sealed_value_opens_at_its_own_place_only(keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    value = sealed["data"]["password"]
    for elsewhere in (
        {**sealed, "metadata": {**sealed["metadata"], "name": "other"}},
        {**sealed, "metadata": {**sealed["metadata"], "namespace": "other"}},
        {**sealed, "data": {"user": value}},
        {**sealed, "metadata": {**sealed["metadata"], "annotations": {LAST_APPLIED: value}}},
    ):
        assert refused(keyring.open, elsewhere).reason == "SealBroken"


def test_a_value_that_was_tampered_with_does_not_open(keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    head, _, box = sealed["data"]["password"].rpartition(":")
    broken = bytearray(base64.b64decode(box))
    broken[-1] ^= 1
    sealed["data"]["password"] = f"{head}:{base64.b64encode(broken).decode()}"
    assert refused(keyring.open, sealed).reason == "SealBroken"


def test_an_older_key_still_opens_and_the_first_one_seals(path: Path, keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    older = path.read_text()
    path.write_text(b64("k" * 32) + "\n" + older)
    assert keyring.open(sealed) == secret()
    assert keyring.seal(secret())["data"]["password"].split(":")[1] != sealed["data"]["password"].split(":")[1]


def test_a_secret_that_is_written_again_takes_the_new_key(path: Path, keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    path.write_text(b64("k" * 32) + "\n" + path.read_text())
    anew = keyring.seal(secret(), sealed)
    path.write_text(b64("k" * 32))
    assert keyring.open(anew) == secret()
    assert keyring.seal(secret(), anew) == anew


def test_a_lost_key_is_told_with_what_to_do(path: Path, keyring: Keyring) -> None:
    sealed = keyring.seal(secret())
    path.write_text(b64("k" * 32))
    problem = refused(keyring.open, sealed)
    assert (problem.reason, problem.field) == ("SealingKeyLost", "team/db/data/password")
    assert str(path) in problem.message
    assert keyring.open(keyring.seal(secret(), sealed)) == secret()


@pytest.mark.parametrize("text", ["", "# nothing", "no base64!", b64("short")])
def test_a_key_file_without_a_key_is_told(path: Path, keyring: Keyring, text: str) -> None:
    path.write_text(text)
    assert refused(keyring.seal, secret()).reason == "SealingKeyInvalid"


def test_a_key_file_that_is_not_there_is_told(path: Path, keyring: Keyring) -> None:
    path.unlink()
    problem = refused(keyring.seal, secret())
    assert (problem.reason, problem.field) == ("SealingKeyMissing", str(path))
    assert "No such file" in problem.message


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[tuple[Objects, Path]]:
    """Objects with a keyring on a served Temporal of their own, and the folder of its database."""
    path = tmp_path / "sealing.keys"
    ensure_key_file(path)
    async with private_server() as settings:
        client = await connect(settings)
        async with AsyncExitStack() as stack:
            for worker in workers(client):
                await stack.enter_async_context(worker)
            yield Objects(client, Keyring(path)), settings.database.parent


async def test_nothing_of_a_secret_is_in_the_servers_files_or_histories(home: tuple[Objects, Path]) -> None:
    objects, folder = home
    kind = kind_called("secrets")
    texts = ["hunter2-at-first", "hunter2-at-last"]
    first, last = (
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "stringData": {"password": text},
            "metadata": {"name": "db", "namespace": "team", "annotations": {LAST_APPLIED: f'{{"password":"{text}"}}'}},
        }
        for text in texts
    )
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"a": "what-is-found"}}
    await objects.apply(plain)
    assert await objects.apply(first) is Applied.CREATED
    assert await objects.apply(first) is Applied.UNCHANGED
    assert await objects.apply(last) is Applied.CONFIGURED
    stored = await objects.get(kind, "db", "team")
    assert objects.opened(stored)["data"] == {"password": b64(texts[1])}
    (listed,) = await objects.list(kind, "team")
    assert objects.readable(listed) == objects.opened(stored)
    version = stored["metadata"]["resourceVersion"]
    again = await objects.replace(last, ReplaceRequest(manifest=last, resource_version=version))
    assert again.resource_version == version
    history = json.dumps((await objects.client.get_workflow_handle("Secret/team/db").fetch_history()).to_json_dict())
    files = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"what-is-found" in files  # what is not sealed is there to be read
    for text in texts:
        for shape in (text, b64(text), b64(b64(text)), base64.b64encode(b64(text).encode()).decode()[2:-4]):
            assert shape not in history
            assert shape.encode() not in files


async def test_without_a_key_a_secret_is_refused_before_it_is_sent(home: tuple[Objects, Path]) -> None:
    objects, folder = home
    blind = Objects(objects.client)
    with pytest.raises(Problem) as caught:
        await blind.create(secret("blind"))
    assert caught.value.reason == "SealingKeyMissing"
    assert b"Secret/team/blind" not in b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_secret_that_nobody_can_open_is_still_listed(home: tuple[Objects, Path]) -> None:
    objects, _ = home
    await objects.create(secret("closed"))
    blind = Objects(objects.client)
    (listed,) = [each for each in await blind.list(kind_called("secrets")) if each["metadata"]["name"] == "closed"]
    assert SEALED.fullmatch(blind.readable(listed)["data"]["password"])


def test_a_secret_that_may_not_change_keeps_its_seal(path: Path, keyring: Keyring) -> None:
    fixed = {**secret(), "immutable": True}
    sealed = keyring.seal(fixed)
    path.write_text(b64("k" * 32) + "\n" + path.read_text())
    labelled = {**fixed, "metadata": {**fixed["metadata"], "labels": {"a": "b"}}}
    assert keyring.seal(labelled, sealed)["data"] == sealed["data"]
