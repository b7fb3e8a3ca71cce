"""Edits: the update `replace`, which every object that can be declared anew takes; and how a request is refused.

A handler validates and records. Its name, its argument and its answer are the contract of manifests/contract.py.
"""

from abc import ABC, abstractmethod

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.requests import Request
    from manifests.base import InvalidManifestError
    from manifests.contract import DeleteRequest, PowerRequest, ReplaceAnswer, ReplaceRequest, Update
    from workflows.objects import Sent


class Edited(ABC):
    """Something that is declared anew while it lives."""

    @abstractmethod
    def _admit_edit(self, manifest: Sent, request: Request, version: str) -> None:
        """Raise an ApplicationError when an edit is refused; version: what the object must still be, if anything."""

    @abstractmethod
    def _edit(self, manifest: Sent, request: Request) -> ReplaceAnswer:
        """Record an edit."""

    @workflow.update(name=Update.REPLACE)
    def replace(self, request: ReplaceRequest) -> ReplaceAnswer:
        """Declare the object anew. What can change of a VM while it runs does; the rest waits for its next power-on."""
        return self._edit(request.manifest, who(request))

    @replace.validator
    def _may_replace(self, request: ReplaceRequest) -> None:
        self._admit_edit(request.manifest, who(request), request.resource_version)


def conflict(why: str) -> ApplicationError:
    """Return the refusal of what cannot be done now."""
    return ApplicationError(why, type="Conflict", non_retryable=True)


def outdated() -> ApplicationError:
    """Return the refusal of an edit of what is not any more, in Kubernetes' words."""
    return conflict("the object has been modified; please apply your changes to the latest version and try again")


def busy(why: str) -> ApplicationError:
    """Return the refusal of what can be done in a moment."""
    return ApplicationError(why, type="TooManyRequests", non_retryable=True)


def refusal(problem: InvalidManifestError) -> ApplicationError:
    """Return the refusal of a manifest; its details are the fields at fault, each with what is wrong."""
    return ApplicationError(str(problem), problem.causes, type=problem.reason, non_retryable=True)


def who(request: PowerRequest | ReplaceRequest) -> Request:
    """Return who asks, and under which id: the request's own, or else the update's."""
    info = workflow.current_update_info()
    known = request.request or (info.id if info else "")
    if isinstance(request, PowerRequest):
        return Request(id=known, by=request.by, force=request.force, grace=request.grace)
    return Request(id=known, by=request.by)


def asked_to_go(request: Sent) -> Request:
    """Return who sent a delete, and how much grace they leave the guest; what cannot be read says neither."""
    try:
        said = DeleteRequest.model_validate(request or {})
    except ValidationError:
        said = DeleteRequest()
    return Request(id="", by=said.by, grace=said.grace)
