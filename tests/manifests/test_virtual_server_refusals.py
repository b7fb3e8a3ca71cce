"""What a VirtualServer may not say, and the field that is named for it."""

import pytest

from manifests.registry import parse
from manifests.virtual_server import USER_DATA_LIMIT, VirtualServer
from tests.manifests.examples import at, refused, virtual_server

MEMORY, DISK = "spec.resources.memory", "spec.storage.root.pvc.size"
CORES, MODEL = "spec.resources.cpu.cores", "spec.resources.cpu.model"
TCP, MAC = "spec.network.tcp", "spec.network.macAddress"


def why(field: str, value: object) -> str:
    """Return the message for a field with that value; no other field is blamed."""
    (blamed, message), *others = refused(at(virtual_server(), field, value)).items()
    assert (blamed, others) == (field, [])
    return message


@pytest.mark.parametrize("field", [MEMORY, DISK])
@pytest.mark.parametrize("size", ["", "lots", "0", "-1Gi", "0.3", "8GB", "9999999999999999Pi", 0, -1])
def test_bad_sizes(field: str, size: object) -> None:
    assert "is not a" in why(field, size)


@pytest.mark.parametrize("size", [8.0, True, [], {"Gi": 8}])
def test_sizes_that_are_no_text_and_no_number(size: object) -> None:
    assert why(MEMORY, size) == "Input should be a valid string"


@pytest.mark.parametrize("cores", [0, "0", "500m", "1.5", -1, "two", "9999999"])
def test_cores_that_are_not_whole(cores: object) -> None:
    assert "is not a whole, positive number of CPUs" in why(CORES, cores)


@pytest.mark.parametrize("cores", [True, 1.0, [1]])
def test_cores_that_are_no_text_and_no_number(cores: object) -> None:
    assert why(CORES, cores) == "Input should be a valid string"


@pytest.mark.parametrize("model", ["host,+vmx", "a b", "<cpu/>", "x\n", "m" * 65])
def test_cpu_models_that_are_no_names(model: str) -> None:
    assert why(MODEL, model)


@pytest.mark.parametrize("port", [0, -1, 65536, "80", True, 80.0, None])
def test_ports_that_are_none(port: object) -> None:
    assert list(refused(at(virtual_server(), TCP, [443, port]))) == ["spec.network.tcp[1]"]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_exposed_twice(protocol: str) -> None:
    assert why(f"spec.network.{protocol}", [80, 81, 80]) == "a port is exposed once"


def test_the_same_port_may_be_exposed_over_both_protocols() -> None:
    manifest = parse(at(virtual_server(), "spec.network", {"tcp": [53], "udp": [53]}))
    assert isinstance(manifest, VirtualServer)
    assert (manifest.machine().tcp, manifest.machine().udp) == ((53,), (53,))


def test_more_ports_than_anybody_exposes() -> None:
    assert why(TCP, list(range(1, 66)))


@pytest.mark.parametrize(
    "address",
    ["52:54:00", "53:54:00:00:00:01", "52-54-00-00-00-01", "52:54:00:00:00:01\n", "52:54:00:00:00:0g"],
)
def test_addresses_no_interface_can_have(address: str) -> None:
    assert why(MAC, address)


@pytest.mark.parametrize("strategy", ["always", "", "Sometimes", 1])
def test_run_strategies_there_are_not(strategy: object) -> None:
    assert "'Always', 'RerunOnFailure', 'Manual', 'Halted' or 'Once'" in why("spec.runStrategy", strategy)


@pytest.mark.parametrize("character", ["\0", "\x08", "\x1b", "\x7f", "\x9b", "\ufffe", "\uffff"])
def test_characters_that_xml_cannot_carry_and_terminals_would_obey(character: str) -> None:
    assert why("spec.cloudInit", f"#cloud-config{character}") == "control characters are not allowed"


def test_half_a_character() -> None:
    assert why("spec.cloudInit", "#cloud-config\ud800")


def test_user_data_is_handed_on_as_it_stands() -> None:
    text = "#cloud-config\r\n\tname: 'Grüße, 世界 😀' </metadata>\n"
    manifest = parse(at(virtual_server(), "spec.cloudInit", text))
    assert isinstance(manifest, VirtualServer)
    assert manifest.machine().user_data == text


def test_user_data_is_limited_in_bytes() -> None:
    text = "ü" * (USER_DATA_LIMIT // 2)
    assert parse(at(virtual_server(), "spec.cloudInit", text))
    expected = f"user data has {USER_DATA_LIMIT + 1} bytes; at most {USER_DATA_LIMIT} reach a guest"
    assert why("spec.cloudInit", text + "x") == expected


@pytest.mark.parametrize(
    "field",
    [
        "spec.storage.root.path",
        "spec.storage.root.hostDisk",
        "spec.storage.root.source.file",
        "spec.storage.root.pvc.device",
        "spec.domain",
        "spec.qemuArgs",
        "spec.run_strategy",
        "spec.cloudinit",
        "metadata.uuid",
        "owner",
    ],
)
def test_unknown_fields_host_paths_and_raw_arguments_among_them(field: str) -> None:
    assert why(field, "/dev/sda") == "unknown field"


@pytest.mark.parametrize("field", [MEMORY, DISK, "spec.storage.root.source.http.url", "metadata.name"])
def test_fields_that_must_be_there(field: str) -> None:
    document = virtual_server()
    *way, last = field.split(".")
    place = document
    for part in way:
        place = place[part]
    del place[last]
    assert refused(document) == {field: "required"}


@pytest.mark.parametrize("field", [MEMORY, DISK, "metadata.name"])
def test_a_field_that_is_null_was_not_written(field: str) -> None:
    assert why(field, None) == "required"
    assert parse(at(virtual_server(), "spec.runStrategy", None)) == parse(virtual_server())
    assert refused(at(virtual_server(), "spec.colour", None)) == {"spec.colour": "unknown field"}


@pytest.mark.parametrize("field", ["spec", "metadata", "spec.resources", "spec.storage.root"])
@pytest.mark.parametrize("value", [None, "text", []])
def test_parts_that_are_no_objects(field: str, value: object) -> None:
    assert why(field, value)


@pytest.mark.parametrize("name", ["cephfs\nhdd", "a\tb", "\x1b[31m", "a\u202eb", "line\u2028line"])
def test_what_is_written_on_one_line_stays_there(name: str) -> None:
    assert why("spec.storage.root.pvc.storageClassName", name)


@pytest.mark.parametrize(("field", "size", "limit"), [(MEMORY, "1", "at least 32Mi"), (DISK, "65Ti", "at most 64Ti")])
def test_sizes_no_guest_can_have(field: str, size: str, limit: str) -> None:
    assert refused(at(virtual_server(), field, size)) == {field: limit}
