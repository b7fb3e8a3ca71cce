"""Unknown and duplicate fields: refused, told of, or dropped."""

from copy import deepcopy

import pytest

from api.answers import warning_header
from api.bodies import Body, read_json
from api.refusals import Refusal
from api.validation import (
    FieldValidation,
    addressed,
    canonical,
    checked,
    field_validation,
    known_part,
)
from manifests.base import InvalidManifestError
from tests.api.pure.kinds import config_map, resource, virtual_server

VM = resource("VirtualServer")


def odd() -> Body:
    document = virtual_server(flavour="large", network={"tcp": [80], "speed": 5})
    document["metadata"]["colour"] = "red"
    return Body(document, ("spec.runStrategy",))


def test_strict_refuses_in_kubernetes_words() -> None:
    with pytest.raises(Refusal) as refused:
        checked(VM, odd(), FieldValidation.STRICT)
    assert refused.value.code == 400
    assert refused.value.message == (
        'VirtualServer in version "v1beta1" cannot be handled as a VirtualServer: strict decoding error: '
        'unknown field "metadata.colour", unknown field "spec.flavour", unknown field "spec.network.speed", '
        'duplicate field "spec.runStrategy"'
    )


def test_warn_drops_and_says_so() -> None:
    document, warnings = checked(VM, odd(), FieldValidation.WARN)
    assert document == virtual_server(network={"tcp": [80]})
    assert warnings[0] == 'unknown field "metadata.colour"'
    assert len(warnings) == 4


def test_ignore_drops_in_silence() -> None:
    document, warnings = checked(VM, odd(), FieldValidation.IGNORE)
    assert (document, warnings) == (virtual_server(network={"tcp": [80]}), [])


def test_the_body_that_came_is_not_changed() -> None:
    body = odd()
    before = deepcopy(body.value)
    checked(VM, body, FieldValidation.IGNORE)
    assert body.value == before


def test_a_part_of_an_object_is_checked_as_far_as_it_goes() -> None:
    partial = {"apiVersion": "tensorstack.dev/v1beta1", "kind": "VirtualServer", "spec": {"network": {"speed": 1}}}
    document, unknown = known_part(VM, partial)
    assert unknown == ["spec.network.speed"]
    assert document["spec"] == {"network": {}}


def test_fields_within_one_of_several_possible_objects_are_found() -> None:
    libvirt = {"uri": "qemu:///system", "directory": "/x", "network": {"kind": "user", "bridge": "b0"}}
    document = {
        "apiVersion": "vmflow.dev/v1alpha1",
        "kind": "Hypervisor",
        "metadata": {"name": "h1"},
        "spec": {"zone": "z1", "libvirt": libvirt},
    }
    known, unknown = known_part(resource("Hypervisor"), document)
    assert unknown == ["spec.libvirt.network.bridge"]
    assert canonical(known)["spec"]["libvirt"]["network"] == {"kind": "user", "listen": "127.0.0.1"}


def test_ten_thousand_unknown_fields_make_a_short_message() -> None:
    body = Body(virtual_server(**{f"x{each}": 1 for each in range(10_000)}))
    with pytest.raises(Refusal, match="and 9980 more") as refused:
        checked(VM, body, FieldValidation.STRICT)
    assert len(refused.value.message) < 2_000


def test_of_ten_thousand_unknown_fields_a_few_are_warned_of() -> None:
    body = Body(virtual_server(**{f"x{each}": 1 for each in range(10_000)}))
    document, warnings = checked(VM, body, FieldValidation.WARN)
    assert document == virtual_server()
    assert (len(warnings), warnings[-1]) == (21, "and 9980 more unknown fields")


@pytest.mark.parametrize("strictness", FieldValidation)
def test_more_unknown_fields_are_not_looked_at_one_by_one(strictness: FieldValidation) -> None:
    body = Body(virtual_server(**{f"x{each}": 1 for each in range(10_001)}))
    with pytest.raises(Refusal, match="more than 10000 of its fields are unknown or wrong") as refused:
        checked(VM, body, strictness)
    assert refused.value.code == 400


def test_keys_of_maps_are_never_unknown() -> None:
    body = Body(config_map({"any.key": "x"}, labels={"a/b": "c"}))
    assert checked(resource("ConfigMap"), body, FieldValidation.STRICT)[0] == body.value


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Refusal, match="must be of type VirtualServer"):
        checked(VM, Body(value), FieldValidation.IGNORE)


def test_duplicates_of_a_body_are_refused_when_strict() -> None:
    body = read_json(b'{"kind": "ConfigMap", "data": {"a": "1", "a": "2"}}')
    with pytest.raises(Refusal, match=r'duplicate field "data\.a"'):
        checked(resource("ConfigMap"), body, FieldValidation.STRICT)


def test_validation_warns_unless_it_is_told_otherwise() -> None:
    assert field_validation("") is FieldValidation.WARN
    assert field_validation("Strict") is FieldValidation.STRICT
    with pytest.raises(Refusal, match="Unsupported value"):
        field_validation("Maybe")


def test_a_warning_is_one_line_of_ascii() -> None:
    assert warning_header('unknown field "spec.x"') == '299 - "unknown field \\"spec.x\\""'
    hostile = warning_header('a\r\nSet-Cookie: "é"')
    assert hostile.isascii()
    assert hostile.isprintable()


def test_an_object_takes_kind_name_and_namespace_from_its_path() -> None:
    found = addressed(VM, {"metadata": {}}, namespace="dev", name="web")
    assert found == {
        "apiVersion": "tensorstack.dev/v1beta1",
        "kind": "VirtualServer",
        "metadata": {"name": "web", "namespace": "dev"},
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": "v1"}, "the API version in the data (v1) does not match the expected API version"),
        ({"kind": "Pod"}, 'Pod in version "v1beta1" cannot be handled as a VirtualServer'),
        ({"metadata": {"name": "other"}}, "the name of the object (other) does not match the name on the URL (web)"),
        (
            {"metadata": {"namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent",
        ),
        ({"metadata": "text"}, 'VirtualServer.tensorstack.dev "web" is invalid'),
    ],
)
def test_an_object_that_says_otherwise_than_its_path_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(Refusal) as refused:
        addressed(VM, virtual_server() | change, namespace="dev" if "apiVersion" not in change else "", name="web")
    assert refused.value.message.startswith(message)


def test_an_object_as_it_is_stored_has_its_defaults_and_keeps_what_the_server_adds() -> None:
    live = virtual_server() | {"status": {"printableStatus": "Running"}}
    live["metadata"]["uid"] = "u1"
    stored = canonical(live)
    assert stored["spec"]["runStrategy"] == "Always"
    assert stored["metadata"]["uid"] == "u1"
    assert stored["status"] == {"printableStatus": "Running"}
    assert canonical(stored) == stored


def test_an_object_that_is_wrong_is_not_stored() -> None:
    with pytest.raises(InvalidManifestError, match=r"spec\.resources"):
        canonical(virtual_server(resources={}))
