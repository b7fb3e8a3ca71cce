"""What Events look like, for OpenAPI. They have no row in the registry: nobody declares them."""

from typing import Literal

from api.meta import ObjectMeta, Part, Time
from api.resources import Resource

READ = ("get", "list", "watch")


class ObjectReference(Part):
    """Which object an Event is about.

    apiVersion: group and version of the object.
    kind: kind of the object.
    namespace: where the object is.
    name: name of the object.
    uid: identity of the object.
    resourceVersion: of the object when the Event was computed.
    fieldPath: which part of the object.
    """

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(Part):
    """Who tells an Event.

    component: always vmflow.
    host: not used.
    """

    component: str = ""
    host: str = ""


class Event(Part):
    """A line of a VM's story, computed from its history.

    involvedObject: the VM.
    type: Normal or Warning.
    reason: what happened, in one word.
    message: what happened, in a sentence.
    firstTimestamp: when it happened first.
    lastTimestamp: when it happened last.
    eventTime: not used.
    count: how often it happened.
    source: who tells it.
    reportingComponent: who tells it.
    reportingInstance: not used.
    """

    api_version: Literal["v1"]
    kind: Literal["Event"]
    metadata: ObjectMeta
    involved_object: ObjectReference
    type: str = ""
    reason: str = ""
    message: str = ""
    first_timestamp: Time | None = None
    last_timestamp: Time | None = None
    event_time: Time | None = None
    count: int = 0
    source: EventSource | None = None
    reporting_component: str = ""
    reporting_instance: str = ""


class GroupEvent(Part):
    """A line of a VM's story, computed from its history.

    regarding: the VM.
    type: Normal or Warning.
    reason: what happened, in one word.
    action: the same word.
    note: what happened, in a sentence.
    eventTime: when it happened.
    deprecatedFirstTimestamp: when it happened first.
    deprecatedLastTimestamp: when it happened last.
    deprecatedCount: how often it happened.
    deprecatedSource: who tells it.
    reportingController: who tells it.
    reportingInstance: not used.
    """

    api_version: Literal["events.k8s.io/v1"]
    kind: Literal["Event"]
    metadata: ObjectMeta
    regarding: ObjectReference
    type: str = ""
    reason: str = ""
    action: str = ""
    note: str = ""
    event_time: Time | None = None
    deprecated_first_timestamp: Time | None = None
    deprecated_last_timestamp: Time | None = None
    deprecated_count: int = 0
    deprecated_source: EventSource | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""


CORE_EVENT = Resource("v1", "Event", "events", namespaced=True, model=Event, short=("ev",), verbs=READ)
GROUP_EVENT = Resource(
    "events.k8s.io/v1", "Event", "events", namespaced=True, model=GroupEvent, short=("ev",), verbs=READ
)
