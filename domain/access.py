"""Who may do what: a table of roles, and the one function that reads it.

Three roles, after those that Kubernetes gives its users: a viewer looks, an editor works with what teams declare, an
admin may do everything, the accounts and quotas of a namespace among it.
"""

from collections.abc import Iterable
from enum import StrEnum

from domain.model import Value

EVERYWHERE = "*"
"""The namespace of a grant that holds in every namespace, and for kinds that are in none."""


class Role(StrEnum):
    """What somebody is in a namespace."""

    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


class Verb(StrEnum):
    """What a request does, in Kubernetes' words."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETE_COLLECTION = "deletecollection"


class Grant(Value):
    """A role in a namespace, or in all of them (`*`)."""

    namespace: str
    role: Role


class Action(Value):
    """What somebody wants to do.

    verb:        one of Kubernetes' words.
    kind:        `VirtualServer`; namespace and name: of which object; empty where the request is about several.
    subresource: the part of the object it is about, as `console`; empty for the object itself.
    namespaced:  whether objects of this kind are in a namespace.
    """

    verb: Verb
    kind: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    namespaced: bool = True


READING = frozenset({Verb.GET, Verb.LIST, Verb.WATCH})

SEEN = frozenset({"", "status", "log"})
"""Parts of an object that reading it includes. The others reach into a guest or act on it."""

READ_BY_EDITORS = frozenset({"Secret"})
"""Kinds that a viewer does not see."""

WRITTEN_BY_ADMINS = frozenset({"ResourceQuota", "Namespace", "Hypervisor", "Zone", "StorageClass"})
"""Kinds that an editor sees and does not change: what teams share, and limits, which are set by somebody else than who
is limited."""

FOR_ADMINS = frozenset({"Account"})
"""Kinds that only an admin sees: who may do what."""


def may(role: Role, verb: Verb, kind: str, subresource: str = "") -> bool:
    """Return whether a role allows a verb on a kind, or on a part of it, where the role holds."""
    if role is Role.ADMIN:
        return True
    if kind in FOR_ADMINS:
        return False
    reading = verb in READING and subresource in SEEN
    if role is Role.EDITOR:
        return reading or kind not in WRITTEN_BY_ADMINS
    return reading and kind not in READ_BY_EDITORS


def permitted(grants: Iterable[Grant], action: Action) -> bool:
    """Return whether one of somebody's grants allows an action.

    Kinds without a namespace need a grant for all of them. Two things follow from a role in one namespace alone: it may
    look at that Namespace, and nothing is listed over all namespaces.
    """
    where = {EVERYWHERE, _place(action)} - {""}
    return any(
        grant.namespace in where and may(grant.role, action.verb, action.kind, action.subresource) for grant in grants
    )


def _place(action: Action) -> str:
    """Return the namespace in which a role allows an action; empty where only a role in all of them does."""
    if action.namespaced:
        return action.namespace
    return action.name if action.kind == "Namespace" and action.verb is Verb.GET else ""
