"""Core `v1` Service: declared, validated, stored; nothing routes to it yet. Fields are those of Kubernetes 1.32."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from domain.names import check_label
from manifests.base import Labels, Line, Manifest, Name, NamespacedMeta, Port, Schema, check_kept
from manifests.core import CoreVersion, Free

_PORTS = range(1, 65536)
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def _target_port(value: object) -> object:
    """Accept a port's number, or what it may be called (RFC 6335)."""
    if isinstance(value, str) and _PORT_NAME.fullmatch(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value in _PORTS:
        return value
    raise ValueError(
        "write a number from 1 to 65535, or a name of at most 15 lower-case letters, digits and single '-', one letter "
        "at least"
    )


def _service_name(text: str) -> str:
    if not check_label(text)[0].isalpha():
        raise ValueError("a service's name begins with a letter")
    return text


def _cluster_ip(text: str) -> str:
    if text not in {"", "None"}:
        ip_address(text)
    return text


class ServicesOwnMeta(NamespacedMeta):
    """Metadata of a service: its name is one label of a DNS name and begins with a letter."""

    name: Annotated[str, AfterValidator(_service_name)]


class ServicePort(Schema):
    """A port of a service.

    name: what it is called; needed where a service has several.
    protocol: TCP, UDP or SCTP.
    appProtocol: what is spoken over it.
    port: number under which it is reached.
    targetPort: number or name of the port behind it; as `port` where it says nothing.
    nodePort: number under which every node offers it.
    """

    name: Annotated[str, Field(max_length=63), AfterValidator(check_label)] | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: Line | None = None
    port: Port
    target_port: Annotated[int | str, BeforeValidator(_target_port)] | None = None
    node_port: Annotated[int, Field(ge=0, le=65535, strict=True)] | None = None


class ServiceSpec(Schema):
    """How programs are reached.

    ports: what is offered.
    selector: labels of those who offer it.
    type: ClusterIP, NodePort, LoadBalancer or ExternalName.
    clusterIP: the address; None for a service without one.
    clusterIPs: its addresses, the first one of which is `clusterIP`.
    externalIPs: further addresses under which it is reached.
    externalName: for the type ExternalName, the DNS name it stands for.
    sessionAffinity: ClientIP to send a client to the same place again.
    sessionAffinityConfig: for how long.
    loadBalancerIP: the address wanted of a load balancer.
    loadBalancerSourceRanges: networks that may use the load balancer.
    loadBalancerClass: which load balancer.
    allocateLoadBalancerNodePorts: whether a load balancer has ports of the nodes.
    externalTrafficPolicy: Cluster or Local.
    internalTrafficPolicy: Cluster or Local.
    trafficDistribution: which of those who offer it are preferred.
    healthCheckNodePort: where load balancers ask for health.
    publishNotReadyAddresses: whether those who are not ready count, too.
    ipFamilies: IPv4, IPv6.
    ipFamilyPolicy: whether it has one address family or two.
    """

    ports: list[ServicePort] = Field(default_factory=list, max_length=100)
    selector: Labels | None = None
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: Annotated[str, AfterValidator(_cluster_ip), Field(alias="clusterIP")] = ""
    cluster_ips: Annotated[list[Line] | None, Field(alias="clusterIPs")] = None
    external_ips: Annotated[list[Line] | None, Field(alias="externalIPs")] = None
    external_name: Name | None = None
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: Free | None = None
    load_balancer_ip: Annotated[Line | None, Field(alias="loadBalancerIP")] = None
    load_balancer_source_ranges: list[Line] | None = None
    load_balancer_class: Line | None = None
    allocate_load_balancer_node_ports: Annotated[bool, Field(strict=True)] | None = None
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    internal_traffic_policy: Literal["Cluster", "Local"] | None = None
    traffic_distribution: Line | None = None
    health_check_node_port: int | None = None
    publish_not_ready_addresses: Annotated[bool, Field(strict=True)] | None = None
    ip_families: list[Literal["IPv4", "IPv6"]] | None = None
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.type == "ExternalName" and not self.external_name:
            raise ValueError("externalName is required for the type ExternalName")
        if not self.ports and self.type != "ExternalName" and self.cluster_ip != "None":
            raise ValueError("ports are required")
        names = [port.name or "" for port in self.ports]
        if len(names) > 1 and (not all(names) or len(set(names)) != len(names)):
            raise ValueError("several ports have a name each, and no two the same")
        if len({(port.protocol, port.port) for port in self.ports}) != len(names):
            raise ValueError("a port is offered once for each protocol")
        return self


class Service(Manifest):
    """How programs are reached under one name.

    spec: what is offered, and by whom.
    """

    api_version: CoreVersion
    kind: Literal["Service"]
    metadata: ServicesOwnMeta
    spec: ServiceSpec

    def standing(self) -> dict[str, Any]:
        """Return the status of a service: it has no load balancer."""
        return {"loadBalancer": {}}

    def check_edit(self, before: Self) -> None:
        """Refuse another address."""
        if before.spec.cluster_ip and self.spec.type == before.spec.type:
            check_kept(("spec.clusterIP", before.spec.cluster_ip, self.spec.cluster_ip))
