"""Refusals are worded as Kubernetes words them."""

import pytest

from api import errors, refusals
from api.errors import Attempt, refusal_of
from domain.problem import Problem
from manifests.base import InvalidManifestError
from tests.api.pure.kinds import resource

VM, CONFIG_MAP = resource("VirtualServer"), resource("ConfigMap")


def test_a_missing_object_is_named_with_its_resource_and_group() -> None:
    status = refusals.not_found(VM, "web").status()
    assert status["message"] == 'virtualservers.tensorstack.dev "web" not found'
    assert status["details"] == {"name": "web", "group": "tensorstack.dev", "kind": "virtualservers"}
    assert (status["code"], status["reason"], status["status"]) == (404, "NotFound", "Failure")


def test_an_invalid_object_is_named_with_its_kind_and_every_field_at_fault() -> None:
    problem = InvalidManifestError([("spec.y", "at least 1"), ("spec.z", "required"), ("spec.w", "immutable: no")])
    status = refusal_of(problem, VM, "web").status()
    assert status["message"] == (
        'VirtualServer.tensorstack.dev "web" is invalid: '
        "[spec.y: Invalid value: at least 1, spec.z: Required value, spec.w: Forbidden: immutable: no]"
    )
    assert status["details"]["kind"] == "VirtualServer"
    assert status["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "message": "Invalid value: at least 1", "field": "spec.y"},
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.z"},
        {"reason": "FieldValueForbidden", "message": "Forbidden: immutable: no", "field": "spec.w"},
    ]
    assert (status["code"], status["reason"]) == (422, "Invalid")


def test_one_cause_stands_without_brackets() -> None:
    message = errors.invalid(CONFIG_MAP, "a", [("data", "too much")]).message
    assert message == 'ConfigMap "a" is invalid: data: Invalid value: too much'


def test_a_status_stays_small_whatever_a_manifest_holds() -> None:
    refusal = errors.invalid(VM, "web", [(f"spec.x{each}", "unknown field") for each in range(100_000)])
    assert len(refusal.message) < 2_000
    assert "and 99990 more" in refusal.message
    assert len(refusal.status()["details"]["causes"]) == 100


@pytest.mark.parametrize(
    ("problem", "code", "reason"),
    [
        (Problem.terminal("NotFound", "no"), 404, "NotFound"),
        (Problem.terminal("AlreadyExists", "no"), 409, "AlreadyExists"),
        (Problem.terminal("Conflict", "no"), 409, "Conflict"),
        (Problem.terminal("Forbidden", "no"), 403, "Forbidden"),
        (Problem.terminal("Whatever", "no", field="spec.x"), 422, "Invalid"),
        (Problem.wait("NoWorker", "nobody is there"), 503, "ServiceUnavailable"),
        (Problem.retry("Unreachable", "nobody answers"), 503, "ServiceUnavailable"),
    ],
    ids=lambda each: each.reason if isinstance(each, Problem) else None,
)
def test_problems_have_the_code_their_reason_and_verdict_mean(problem: Problem, code: int, reason: str) -> None:
    refusal = refusal_of(problem, VM, "web")
    assert (refusal.code, refusal.reason) == (code, reason)


def test_trouble_that_passes_says_when_to_try_again() -> None:
    refusal = refusal_of(Problem.retry("Unreachable", "nobody answers"), VM, "web")
    seconds = refusal.status()["details"]["retryAfterSeconds"]
    assert refusal.headers["Retry-After"] == str(seconds)
    late = errors.timed_out("nobody knows")
    assert (late.code, late.headers["Retry-After"]) == (504, "1")


def test_an_outdated_write_is_told_to_try_again() -> None:
    message = refusal_of(Problem.terminal("Conflict", ""), VM, "web").message
    assert message == (
        'Operation cannot be fulfilled on virtualservers.tensorstack.dev "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_what_is_forbidden_is_told_with_who_what_and_where() -> None:
    tried = Attempt("update", VM, namespace="dev", name="web", part="start")
    assert errors.forbidden("ann", tried).message == (
        'virtualservers.tensorstack.dev "web" is forbidden: User "ann" cannot update resource "virtualservers/start" '
        'in API group "tensorstack.dev" in the namespace "dev"'
    )
    assert errors.forbidden("ann", Attempt("list", CONFIG_MAP)).message == (
        'configmaps is forbidden: User "ann" cannot list resource "configmaps" in API group "" at the cluster scope'
    )


@pytest.mark.parametrize(
    ("refusal", "code", "reason", "message"),
    [
        (errors.ending(VM, "dev"), 403, "Forbidden", "virtualservers.tensorstack.dev is forbidden: unable to create"),
        (errors.not_acceptable(["application/json"]), 406, "NotAcceptable", "only the following media types"),
        (errors.watch_expired(1, 5), 410, "Expired", "too old resource version: 1 (5)"),
        (errors.continue_expired(), 410, "Expired", "The provided continue parameter is too old"),
        (
            errors.unsupported_media_type(["a/b"]),
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown",
        ),
        (errors.internal("oops"), 500, "InternalError", "Internal error occurred: oops"),
    ],
    ids=lambda each: each.reason if isinstance(each, refusals.Refusal) else None,
)
def test_codes_and_reasons_go_together(refusal: refusals.Refusal, code: int, reason: str, message: str) -> None:
    assert (refusal.code, refusal.reason) == (code, reason)
    assert refusal.message.startswith(message)


def test_a_delete_that_is_done_is_answered_with_success() -> None:
    status = errors.success(VM, "web", "u1")
    assert status["status"] == "Success"
    assert status["details"] == {"name": "web", "group": "tensorstack.dev", "kind": "virtualservers", "uid": "u1"}
