"""`vmflow.dev/v1alpha1` Account: who may use the gateway, and for what."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from domain.access import EVERYWHERE, Grant, Role
from domain.names import check_label
from manifests.base import ApiVersion, Manifest, Schema


def _place(text: str) -> str:
    return text if text == EVERYWHERE else check_label(text)


class RoleIn(Schema):
    """A role in a namespace.

    namespace: where it holds; `*` for all of them, and for kinds that are in none.
    role: viewer, editor or admin.
    """

    namespace: Annotated[str, AfterValidator(_place)]
    role: Role


class AccountSpec(Schema):
    """How an account is recognised, and what it may do.

    tokenHash: salt and hash of its token: `sha256:<32 hex digits>:<64 hex digits>`. Nobody can tell the token from it.
    roles: what it may do, namespace by namespace; what no role allows is forbidden.
    """

    token_hash: str = Field(pattern=r"^sha256:[0-9a-f]{32}:[0-9a-f]{64}$")
    roles: list[RoleIn] = Field(default_factory=list, max_length=1000)


class Account(Manifest):
    """A person or a program that may use the gateway.

    spec: how it is recognised, and what it may do.
    """

    api_version: ApiVersion
    kind: Literal["Account"]
    spec: AccountSpec

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What the account may do."""
        return tuple(Grant(namespace=each.namespace, role=each.role) for each in self.spec.roles)
