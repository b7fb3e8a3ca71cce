"""One request, understood: who asks, which verb, on which resource, with which words behind the question mark."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.datastructures import Headers, QueryParams

from api.addressing import Address
from api.cache import Key, Scope
from api.media import Form
from api.reading import ListQuery, Selection, number, scope_of
from api.refusals import Refusal, bad_request
from api.resources import Resource
from api.selectors import field_selector, label_selector
from domain.access import Grant
from domain.machine import GRACE_LIMIT
from domain.names import is_label

_LIMIT = 10**9
_DIGITS = len(str(_LIMIT))

REQUEST_LIMIT = 128
"""Characters of the id of a request; Temporal, which is given it, takes more bytes than these can have."""

_MANAGER_LIMIT = 128
"""Characters of the name of who writes, as in Kubernetes."""

_ABOUT = ("involvedObject.name", "regarding.name")
"""Fields of an Event that name what it is about."""


@dataclass(frozen=True)
class Caller:
    """Somebody known: the account's name, what it may do, and by the hash of which token it was recognised."""

    name: str
    grants: tuple[Grant, ...] = ()
    proof: str = field(default="", repr=False)


@dataclass(frozen=True)
class Call:
    """A request that was understood and is allowed."""

    caller: Caller
    verb: str
    resource: Resource
    address: Address
    query: QueryParams
    headers: Headers
    form: Form
    warnings: list[str] = field(default_factory=list)
    """What the answer warns of."""

    @property
    def key(self) -> Key:
        """Which object the path names."""
        return Key(self.address.namespace if self.resource.namespaced else "", self.address.name)

    @property
    def dry(self) -> bool:
        """Whether nothing is to be written."""
        asked = self.query.getlist("dryRun")
        if any(each != "All" for each in asked):
            raise invalid_option("dryRun", "Unsupported value: supported values: All")
        return bool(asked)

    def tried(self, said: Mapping[str, object]) -> bool:
        """Return whether nothing is to be written, as the query or the options in the body say."""
        return _dry(said) or self.dry

    @property
    def manager(self) -> str:
        """Who writes, for the book of who owns which field."""
        said = self.query.get("fieldManager", "")
        if len(said) > _MANAGER_LIMIT or not said.isprintable():
            raise invalid_option("fieldManager", f"may not have more than {_MANAGER_LIMIT} printable characters")
        program = self.headers.get("user-agent", "").partition("/")[0]
        return said or "".join(filter(str.isprintable, program))[:_MANAGER_LIMIT] or "unknown"

    @property
    def request(self) -> str:
        """Id of the request, by which a repetition is known; empty when it has none."""
        said = self.query.get("request", "")
        if len(said) > REQUEST_LIMIT:
            raise bad_request(f"request: write at most {REQUEST_LIMIT} characters")
        return said

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return an option that is on or off."""
        said = self.query.get(name)
        if said is None:
            return default
        if said.lower() in {"true", "1", ""}:
            return True
        if said.lower() in {"false", "0"}:
            return False
        raise bad_request(f"{name}: write true or false")

    def number(self, name: str) -> int:
        """Return an option that counts something; 0 when it is not there."""
        said = self.query.get(name, "0") or "0"
        if not (said.isascii() and said.isdecimal() and len(said) <= _DIGITS and int(said) <= _LIMIT):
            raise bad_request(f"{name}: write a number that is not negative")
        return int(said)

    def listed(self) -> ListQuery:
        """Return what a list or a watch is asked with."""
        label, fields = self.query.get("labelSelector", ""), self.query.get("fieldSelector", "")
        by_label, by_field = label_selector(label), field_selector(fields)
        selection: Selection = lambda document: by_label(document) and by_field(document)  # noqa: E731
        initial = self.flag("sendInitialEvents") if "sendInitialEvents" in self.query else None
        match = self.query.get("resourceVersionMatch", "")
        _check_options(self.query, watch=self.verb == "watch", initial=initial)
        return ListQuery(
            scope=self._scope(fields),
            selection=selection,
            words=(label, fields),
            limit=self.number("limit"),
            continued=self.query.get("continue", ""),
            version=self.query.get("resourceVersion", ""),
            match=match,
            bookmarks=self.flag("allowWatchBookmarks"),
            initial=initial,
            seconds=float(self.number("timeoutSeconds")) or None,
        )

    def _scope(self, fields: str) -> Scope:
        """Return what is looked at: one object alone where the selector names it, so that nothing else is listed."""
        terms = dict(term.partition("=")[::2] for term in fields.replace("==", "=").split(",") if "!=" not in term)
        name = terms.get("metadata.name", "") if "\\" not in fields else ""
        wanted = terms.get("metadata.namespace", "")
        namespace = self.address.namespace or (wanted if is_label(wanted) else "")
        about = (
            next((terms[path] for path in _ABOUT if terms.get(path)), None) if self.resource.kind == "Event" else None
        )
        return scope_of(namespace, name, namespaced=self.resource.namespaced)._replace(about=about)


def _dry(said: Mapping[str, object]) -> bool:
    """Tell whether the options in a body ask for a dry run. Raises the refusal of another value than `All`."""
    asked = said.get("dryRun") or []
    if asked not in ([], ["All"]):
        raise invalid_option("dryRun", "Unsupported value: supported values: All")
    return bool(asked)


def is_grace(said: object) -> bool:
    """Tell whether an option is a grace: whole seconds within the limit."""
    return isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= GRACE_LIMIT


def invalid_option(name: str, why: str) -> Refusal:
    """Refuse an option, in Kubernetes' words."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", f"{name}: Invalid value: {why}")


def _check_options(query: Mapping[str, str], *, watch: bool, initial: bool | None) -> None:
    """Refuse a version that is none, and combinations that mean nothing (Kubernetes' validation of ListOptions)."""
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if version:
        number(version)
    if match not in {"", "Exact", "NotOlderThan"}:
        raise invalid_option("resourceVersionMatch", "supported values: Exact, NotOlderThan")
    if watch and match and initial is None:
        raise invalid_option("resourceVersionMatch", "is forbidden for watch unless sendInitialEvents is provided")
    if initial is not None and (not watch or match != "NotOlderThan"):
        raise invalid_option("sendInitialEvents", "needs a watch and resourceVersionMatch=NotOlderThan")
    if not watch and match and not version:
        raise invalid_option("resourceVersionMatch", "is forbidden unless resourceVersion is provided")
    if match == "Exact" and version == "0":
        raise invalid_option("resourceVersionMatch", 'Exact is forbidden for resourceVersion "0"')
    if not watch and query.get("continue") and version not in {"", "0"}:
        raise invalid_option("resourceVersion", "is forbidden together with continue")
