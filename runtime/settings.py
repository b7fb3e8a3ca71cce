"""Settings: what may differ from one machine to the next, each with a default that works.

Every field is read from the environment variable `VMFLOW_<FIELD>`; Temporal's own variables are honoured for what
concerns Temporal (https://docs.temporal.io/references/client-environment-configuration). Timeouts and retries are not
settings: workflows/options.py names them.
"""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(cidr)) for cidr in value]

    @property
    def temporal_address(self) -> str:
        """Return `host:port` of the Temporal server to use."""
        return self.external_address or f"127.0.0.1:{self.temporal_port}"

    @property
    def database(self) -> Path:
        """Return the SQLite file of the Temporal server that `vmflow up` runs: the one thing to back up."""
        return self.home / "temporal/temporal.db"

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
            if name != "external_address"
        }
        if self.external_address:
            variables["TEMPORAL_ADDRESS"] = self.external_address
        return variables
