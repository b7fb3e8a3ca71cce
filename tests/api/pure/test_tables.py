"""Tables show what kubectl shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.columns import Cell
from api.durations import age, duration
from api.kind_columns import columns_of
from api.refusals import Refusal
from api.resources import RESOURCES, Resource
from api.tables import IncludeObject, include_object, partial_list, table
from tests.api.pure.kinds import config_map, resource, service, virtual_server

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11100, "3h5m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (183600, "2d3h"),
        (691200, "8d"),
        (63072000, "2y"),
        (63072000 + 86400 * 15, "2y15d"),
        (252288000, "8y"),
    ],
)
def test_durations_are_told_as_kubectl_does(seconds: int, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", 5])
def test_an_object_of_unknown_age_says_so(timestamp: object) -> None:
    assert age(timestamp, NOW) == "<unknown>"


def test_ages_are_counted_in_utc() -> None:
    assert age((NOW - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ"), NOW) == "3m"
    assert age("2026-11-21T11:57:00", NOW) == "3m"


def cells(kind: str, document: dict[str, Any]) -> dict[str, Cell]:
    made = table(resource(kind), [document], now=NOW)
    names = [each["name"] for each in made["columnDefinitions"]]
    return dict(zip(names, made["rows"][0]["cells"], strict=True))


def test_a_running_machine_is_told_in_one_line() -> None:
    vm = virtual_server()
    vm["metadata"]["creationTimestamp"] = "2026-11-21T11:55:00Z"
    vm["status"] = {
        "printableStatus": "Running",
        "reason": "GuestBooted",
        "runStrategy": "Always",
        "conditions": [{"type": "Ready", "status": "True"}],
        "placement": {"zone": "z1", "hypervisor": "h1"},
        "guest": {"addresses": ["10.0.0.7", "10.0.0.8"], "os": "Debian 13"},
    }
    assert cells("VirtualServer", vm) == {
        "Name": "web",
        "Status": "Running",
        "Ready": "True",
        "Hypervisor": "h1",
        "IP": "10.0.0.7",
        "Age": "5m",
        "RunStrategy": "Always",
        "Zone": "z1",
        "Image": "debian.qcow2",
        "OS": "Debian 13",
        "Reason": "GuestBooted",
    }


def test_a_service_shows_its_ports_and_addresses() -> None:
    document = service({"port": 80}, {"port": 53, "protocol": "UDP", "nodePort": 30053})
    document["spec"] |= {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "selector": {"b": "2", "a": "1"}}
    shown = cells("Service", document)
    assert shown["Port(s)"] == "80/TCP,53:30053/UDP"
    assert shown["External-IP"] == "<pending>"
    assert shown["Selector"] == "a=1,b=2"
    document["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "lb.example"}]}}
    assert cells("Service", document)["External-IP"] == "1.2.3.4,lb.example"
    document["spec"] |= {"type": "ExternalName", "externalName": "db.example"}
    assert cells("Service", document)["External-IP"] == "db.example"


@pytest.mark.parametrize(
    ("kind", "document", "shown"),
    [
        ("ConfigMap", config_map({"a": "1", "b": "2"}) | {"binaryData": {"c": "eA=="}}, {"Data": 3}),
        ("Secret", {"metadata": {"name": "s"}, "type": "Opaque", "data": {"a": "eA=="}}, {"Type": "Opaque", "Data": 1}),
        ("ServiceAccount", {"metadata": {"name": "s"}}, {"Secrets": 0}),
        ("Namespace", {"metadata": {"name": "n"}, "status": {"phase": "Active"}}, {"Status": "Active"}),
        (
            "PersistentVolumeClaim",
            {
                "metadata": {"name": "p"},
                "spec": {"storageClassName": "fast", "volumeName": "v1", "volumeMode": "Block"},
                "status": {"phase": "Bound", "capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"]},
            },
            {"Status": "Bound", "Volume": "v1", "Capacity": "8Gi", "Access Modes": "RWO", "StorageClass": "fast"},
        ),
        (
            "StorageClass",
            {
                "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "vmflow.dev/pool",
            },
            {"Name": "fast (default)", "ReclaimPolicy": "Delete", "AllowVolumeExpansion": False},
        ),
        (
            "ResourceQuota",
            {
                "metadata": {"name": "q"},
                "status": {"hard": {"requests.storage": "10Gi", "limits.cpu": "4"}, "used": {"limits.cpu": "1"}},
            },
            {"Request": "requests.storage: 0/10Gi", "Limit": "limits.cpu: 1/4"},
        ),
        (
            "Zone",
            {
                "metadata": {"name": "z1"},
                "status": {"hypervisors": {"a": {"ready": True}, "b": {"ready": False}}, "placed": 3, "waiting": 0},
            },
            {"Hypervisors": "1/2", "Placed": "3", "Waiting": "0"},
        ),
        (
            "Hypervisor",
            {
                "metadata": {"name": "h1"},
                "spec": {"zone": "z1", "libvirt": {"uri": "qemu:///system"}},
                "status": {"printableStatus": "Ready", "facts": {"cpus": 2, "memory": "24Gi", "accelerator": "tcg"}},
            },
            {"Status": "Ready", "Zone": "z1", "Driver": "libvirt", "CPUs": "2", "Memory": "24Gi", "Accelerator": "tcg"},
        ),
        (
            "Image",
            {
                "metadata": {"name": "i"},
                "status": {
                    "printableStatus": "Ready",
                    "copies": {
                        "h1": {"state": "Ready", "facts": {"virtualSize": 3 * 1024**3}},
                        "h2": {"state": "Importing", "facts": None},
                    },
                },
            },
            {"Status": "Ready", "Size": "3Gi", "Copies": "1/2"},
        ),
        (
            "Account",
            {"metadata": {"name": "ann"}, "spec": {"roles": [{"namespace": "*", "role": "admin"}]}},
            {"Roles": "admin@*"},
        ),
    ],
)
def test_kinds_show_what_matters(kind: str, document: dict[str, Any], shown: dict[str, Cell]) -> None:
    assert cells(kind, document).items() >= shown.items()


@pytest.mark.parametrize("each", RESOURCES, ids=lambda each: each.kind)
def test_an_object_that_has_only_a_name_is_shown(each: Resource) -> None:
    made = table(each, [{"metadata": {"name": "bare"}}], now=NOW)
    assert made["rows"][0]["cells"][0] == "bare"
    assert made["columnDefinitions"][0]["format"] == "name"
    assert all(isinstance(cell, str | int | float | bool) for cell in made["rows"][0]["cells"])


@pytest.mark.parametrize(
    ("group", "event"),
    [
        ("", {"involvedObject": {"kind": "VirtualServer", "name": "web"}, "message": "it runs"}),
        ("events.k8s.io", {"regarding": {"kind": "VirtualServer", "name": "web"}, "note": "it runs"}),
    ],
)
def test_events_say_what_happened_to_what(group: str, event: dict[str, Any]) -> None:
    shown = {each.name: each.read(event, NOW) for each in columns_of(group, "Event")}
    assert shown.items() >= {"Object": "virtualserver/web", "Message": "it runs", "Last Seen": "<unknown>"}.items()


@pytest.mark.parametrize(
    ("size", "told"), [(512, "512"), (1024, "1Ki"), (1536, "1.5Ki"), (2**51, "2Pi"), (2**61, "2048Pi"), ("3Gi", "3Gi")]
)
def test_sizes_are_told_in_binary_units(size: object, told: str) -> None:
    copies = {"h1": {"state": "Ready", "facts": {"virtualSize": size}}}
    assert cells("Image", {"metadata": {"name": "i"}, "status": {"copies": copies}})["Size"] == told


def test_wide_columns_have_another_priority() -> None:
    made = table(resource("VirtualServer"), [], now=NOW)
    assert {each["name"] for each in made["columnDefinitions"] if each["priority"]} == {
        "RunStrategy", "Zone", "Image", "OS", "Reason",
    }  # fmt: skip


def test_a_kind_without_columns_has_its_name_and_age() -> None:
    assert [each.name for each in columns_of("apps", "Deployment")] == ["Name", "Age"]


@pytest.mark.parametrize(
    ("include", "kind"),
    [
        (IncludeObject.METADATA, "PartialObjectMetadata"),
        (IncludeObject.OBJECT, "ConfigMap"),
        (IncludeObject.NONE, None),
    ],
)
def test_rows_carry_what_was_asked_for(include: IncludeObject, kind: str | None) -> None:
    made = table(resource("ConfigMap"), [config_map({"a": "secret"})], now=NOW, include=include)
    assert made["rows"][0].get("object", {}).get("kind") == kind


def test_a_row_of_a_watch_needs_no_heading() -> None:
    assert table(resource("ConfigMap"), [], now=NOW, headed=False)["columnDefinitions"] == []


def test_metadata_alone_can_be_listed() -> None:
    listed = partial_list([config_map({"a": "1"})], {"resourceVersion": "7"})
    assert listed["items"][0]["metadata"]["name"] == "settings"
    assert "data" not in listed["items"][0]


def test_what_rows_carry_is_one_of_three() -> None:
    assert include_object("") is IncludeObject.METADATA
    with pytest.raises(Refusal, match="Unsupported value"):
        include_object("Everything")
