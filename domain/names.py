"""Names: which are allowed, and how the domain of a VM is called."""

import re
from hashlib import sha256

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_LABEL_LIMIT = 63
_NAME_LIMIT = 253
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' safe alphabet for generated names: no vowels and no look-alikes, so no words appear by chance."""


SUFFIX = 5
"""Characters of a domain's name that are hashed, unless that name is taken."""


LONGEST_SUFFIX = 20
"""Where lengthening a taken name ends: by then it is not chance that takes it."""


def check_name(text: str) -> str:
    """Return a DNS-1123 subdomain unchanged; a ValueError says what a name may look like (RFC 1123)."""
    if len(text) > _NAME_LIMIT or not all(_LABEL.fullmatch(part) for part in text.split(".")):
        raise ValueError(
            "a name has at most 253 lower-case letters, digits, '-' and '.'; a letter or digit stands first and last",
        )
    return text


def is_label(text: str) -> bool:
    """Return whether a text is a DNS-1123 label (RFC 1123)."""
    return len(text) <= _LABEL_LIMIT and _LABEL.fullmatch(text) is not None


def check_label(text: str) -> str:
    """Return a DNS-1123 label unchanged; a ValueError says what a namespace may look like (RFC 1123)."""
    if not is_label(text):
        raise ValueError(
            "a namespace has at most 63 lower-case letters, digits and '-'; a letter or digit stands first and last",
        )
    return text


def domain_name(name: str, uid: str, *, length: int = SUFFIX) -> str:
    """Return the domain's name on a hypervisor: `managed-virtualserver-` and a hash of name and UID.

    The form is VirtualServer's own (`status.vm.name`, as in `managed-virtualserver-9dda9`): short whatever the VM is
    called. `length` grows only where five characters would collide.
    """
    number = int.from_bytes(sha256(f"{name}\n{uid}".encode()).digest(), "big")
    suffix = ""
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        suffix += _ALPHABET[index]
    return f"managed-virtualserver-{suffix}"


def hostname(name: str) -> str:
    """Return the guest's host name for a VM's name: its first label, at most 63 characters (RFC 1035)."""
    return name.partition(".")[0][:_LABEL_LIMIT].rstrip("-")
