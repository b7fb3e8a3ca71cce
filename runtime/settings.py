"""Settings: what may differ from one machine to the next, each with a default that works.

Every field is read from the environment variable `VMFLOW_<FIELD>`; Temporal's own variables are honoured for what
concerns Temporal (https://docs.temporal.io/references/client-environment-configuration). Timeouts and retries are not
settings: workflows/options.py names them. docs/settings.md lists every variable; tests compare.
"""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.backoff import Backoff

PREFIX = "VMFLOW_"


def default_home() -> Path:
    """Return where state lives unless told otherwise: `/var/lib` for root, the XDG state folder for anybody else."""
    if os.geteuid() == 0:
        return Path("/var/lib/vmflow")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "vmflow"


class Settings(BaseSettings):
    """The settings of one installation; two installations on one machine differ at least in `home` and the ports."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
    )

    home: Path = Field(default_factory=default_home)
    """Absolute folder of all state on this machine: database, logs, manifests, the local hypervisor's stores."""

    external_address: str | None = Field(default=None, validation_alias=AliasChoices("TEMPORAL_ADDRESS"))
    """`host:port` of a Temporal server somebody else runs; None when `vmflow up` runs one here."""

    temporal_namespace: str = Field(
        default="default",
        validation_alias=AliasChoices("VMFLOW_TEMPORAL_NAMESPACE", "TEMPORAL_NAMESPACE"),
    )
    """Temporal namespace; holds every object of this installation."""

    temporal_port: int = Field(default=7233, ge=1, le=65535)
    """Loopback port of the Temporal server that `vmflow up` runs."""

    ui_port: int = Field(default=8233, ge=1, le=65535)
    """Loopback port of that server's web pages."""

    gateway_port: int = Field(default=7443, ge=1, le=65535)
    """Port of the gateway that `vmflow up` runs, which kubectl talks to."""

    gateway_listen: str = "127.0.0.1"
    """Address the gateway listens on; `0.0.0.0` for every one this machine has."""

    gateway_names: Annotated[list[str], NoDecode] = []
    """Host names and addresses clients use for the gateway beside loopback's: its certificate has them."""

    stream_address: str = "127.0.0.1"
    """Address of this machine at which the gateway and the command line reach its guests' consoles, screens and ports.
    The port is any free one; the channel is encrypted and takes a ticket."""

    kubeconfig: Path | None = None
    """Kubeconfig of the gateway that `vmflow` asks: as its user, and where no namespace is named, in its namespace. Not
    set: `vmflow` talks to Temporal."""

    hypervisor: Literal["libvirt", "simulator", "none"] = "libvirt"
    """What `vmflow up` runs guests on here. `none`: this machine serves workflows only."""

    hypervisor_name: str = "local"
    """Name of this machine's Hypervisor; machines that share a Temporal server need different ones."""

    log_format: Literal["console", "json"] = "console"
    """`console` for people, `json` (one object a line) for collectors."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written."""

    allowed_networks: Annotated[list[str], NoDecode] = []
    """Networks images may come from although they are private: CIDRs, separated by commas in the environment."""

    restart_first_delay: float = Field(default=Backoff().first, gt=0, allow_inf_nan=False)
    """Seconds a guest that ended twice in a row by itself is left alone; each further end doubles them."""

    restart_delay_cap: float = Field(default=Backoff().cap, gt=0, allow_inf_nan=False)
    """The most seconds such a guest is left alone."""

    restart_healthy_after: float = Field(default=Backoff().healthy, gt=0, allow_inf_nan=False)
    """Seconds a guest must have lived for its next end to count as the first."""

    key_file: Path | None = None
    """File of the keys that seal Secrets: base64 of 32 bytes a line, the first one seals. Everybody who serves the same
    objects needs the same one. Not set: `sealing.keys` in `home`, made by `vmflow up`."""

    @field_validator("home", "key_file", "kubeconfig")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("allowed_networks", "gateway_names", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(cidr)) for cidr in value]

    @field_validator("stream_address")
    @classmethod
    def _reached(cls, value: str) -> str:
        if value in {"0.0.0.0", "::"}:  # noqa: S104 - refused
            raise ValueError("others are told this address: name one at which they reach this machine")
        return value

    @property
    def temporal_address(self) -> str:
        """Return `host:port` of the Temporal server to use."""
        return self.external_address or f"127.0.0.1:{self.temporal_port}"

    @property
    def backoff(self) -> Backoff:
        """Return how long a guest that keeps ending is left alone; VMs take it over when they are placed."""
        return Backoff(
            first=self.restart_first_delay,
            cap=self.restart_delay_cap,
            healthy=self.restart_healthy_after,
        )

    @property
    def keys(self) -> Path:
        """Return the file of the keys that seal Secrets: the other thing to back up."""
        return self.key_file or self.home / "sealing.keys"

    @property
    def database(self) -> Path:
        """Return the SQLite file of the Temporal server that `vmflow up` runs: the one thing to back up."""
        return self.home / "temporal/temporal.db"

    @property
    def gateway_directory(self) -> Path:
        """Return the folder of the gateway's keys and certificates."""
        return self.home / "gateway"

    @property
    def gateway_url(self) -> str:
        """Return where clients on this machine find the gateway."""
        host = "127.0.0.1" if self.gateway_listen in {"0.0.0.0", "::"} else self.gateway_listen  # noqa: S104 - compared
        return f"https://{f'[{host}]' if ':' in host else host}:{self.gateway_port}"

    @property
    def hypervisor_directory(self) -> Path:
        """Return the folder of the local hypervisor's image cache and volumes."""
        return self.home / "hypervisor"

    @property
    def manifests(self) -> Path:
        """Return the folder of the manifests that describe this machine."""
        return self.home / "manifests"

    def environment(self) -> dict[str, str]:
        """Return the variables that make a child process read the same settings."""
        variables = {
            f"{PREFIX}{name.upper()}": ",".join(value) if isinstance(value, list) else str(value)
            for name, value in self
            if name != "external_address" and value is not None
        }
        if self.external_address:
            variables["TEMPORAL_ADDRESS"] = self.external_address
        return variables
