"""Domains: rows whose state is a function of the clock.

A guest is alive from its power-on until `ends`. A shutdown that takes five seconds is an `ends` five seconds ahead: no
thread and no process has to be there when the moment comes.
"""

import json
import sqlite3
import time
import uuid
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address

from domain.guest import GuestInfo, GuestPlan, Observation, Power, Shape, StopCause, absent
from domain.problem import Problem
from drivers.simulator import volumes
from drivers.simulator.journal import note

_NEVER = float("inf")
"""When an incarnation ends that nothing ends."""
_OS = "Debian GNU/Linux 12 (bookworm)"
_AGENT = "7.2.0"


def find(db: sqlite3.Connection, uid: str) -> sqlite3.Row | None:
    """Return a domain's row, without its plan."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM states WHERE uid = ?", (uid,)).fetchone()
    return row


def everything(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return every domain's row, without its plan."""
    return db.execute("SELECT * FROM states").fetchall()


def plan(db: sqlite3.Connection, uid: str) -> str:
    """Return the plan a domain was defined by, as JSON; empty when there is no such domain."""
    row = db.execute("SELECT plan FROM guests WHERE uid = ?", (uid,)).fetchone()
    return row["plan"] if row else ""


def check_name(db: sqlite3.Connection, wanted: GuestPlan) -> None:
    """See that no other domain has a plan's name. Raises Problem.terminal `DomainNameTaken`."""
    other = db.execute("SELECT uid FROM guests WHERE name = ? AND uid <> ?", (wanted.name, wanted.uid)).fetchone()
    if other is not None:
        raise Problem.terminal(
            "DomainNameTaken",
            f"another domain, {other['uid']}, is called {wanted.name} here; rename or remove it",
            field=wanted.owner,
        )


def alive(row: sqlite3.Row | None, now: float) -> bool:
    """Return whether a domain has an incarnation at a moment."""
    return row is not None and row["ends"] > now


def observation(row: sqlite3.Row | None, uid: str, *, ask: bool = True) -> Observation:
    """Return what the hypervisor says about a domain now; with `ask`, what the guest tells too."""
    now = time.time()
    if row is None:
        return absent(uid)
    owner, start = row["owner"], row["start"]
    if not alive(row, now):
        return Observation(uid=uid, power=Power.OFF, owner=owner, cause=StopCause(row["cause"]), start=start)
    up = ask and row["listens"] <= now and not row["paused"]
    return Observation(
        uid=uid,
        power=Power.PAUSED if row["paused"] else Power.RUNNING,
        owner=owner,
        incarnation=row["incarnation"],
        guest=_told(uid, row["hostname"]) if up else GuestInfo(),
        start=start,
        shape=Shape.model_validate_json(row["shape"]),
        build=row["build"],
        reboot=row["reboot"],
    )


def addresses(uid: str) -> tuple[str, str]:
    """Return the addresses a guest always gets: one of 10.0.0.0/8, and a unique local one of fd00::/8 (RFC 4193)."""
    digest = sha256(f"address:{uid}".encode()).digest()
    return str(IPv4Address(b"\x0a" + digest[:3])), str(IPv6Address(b"\xfd" + digest[3:18]))


def define(db: sqlite3.Connection, wanted: GuestPlan) -> None:
    """Define a domain, or bring one that is defined to the plan; its power stays as it is.

    Raises Problem.terminal `DomainNameTaken`.
    """
    check_name(db, wanted)
    db.execute(
        "INSERT INTO guests (uid, name, plan, owner, hostname) VALUES (:uid, :name, :plan, :owner, :hostname)"
        " ON CONFLICT (uid) DO UPDATE SET name = :name, plan = :plan, owner = :owner, hostname = :hostname",
        {
            "uid": wanted.uid,
            "name": wanted.name,
            "plan": wanted.model_dump_json(),
            "owner": wanted.owner,
            "hostname": wanted.hostname,
        },
    )
    note(db, wanted.uid, "defined", time.time())


def undefine(db: sqlite3.Connection, uid: str) -> bool:
    """Forget a domain, on or off; return whether there was one."""
    if not db.execute("DELETE FROM guests WHERE uid = ?", (uid,)).rowcount:
        return False
    note(db, uid, "undefined", time.time())
    return True


def power_on(db: sqlite3.Connection, uid: str, boot_seconds: float, start: int) -> bool:
    """Start a new incarnation of a domain, unless it runs or was powered on for this number; return whether it exists.

    The incarnation is what the domain's plan says, on a disk that may be larger.
    """
    text = plan(db, uid)
    if not text:
        return False
    built = GuestPlan.model_validate_json(text)
    now = time.time()
    started = db.execute(
        "UPDATE guests SET incarnation = :incarnation, start = :start, started = :now, booting = :now,"
        " listens = :now + :boot, reboots = 0, ends = :never, paused = 0, shape = :shape, max_cpus = :max_cpus,"
        " max_memory = :max_memory, build = :build, reboot = '' WHERE uid = :uid AND ends <= :now AND start < :start",
        {
            "uid": uid,
            "incarnation": uuid.uuid4().hex,
            "start": start,
            "now": now,
            "boot": boot_seconds,
            "never": _NEVER,
            "shape": built.shape.model_copy(update={"disk": volumes.disk_size(db, uid)}).model_dump_json(),
            "max_cpus": built.max_cpus,
            "max_memory": built.max_memory,
            "build": built.build,
        },
    )
    if started.rowcount:
        note(db, uid, "started", now)
        _note_boot(db, uid, now + boot_seconds)
    return True


def end(db: sqlite3.Connection, uid: str, cause: StopCause, *, incarnation: str = "") -> bool:
    """End a domain's incarnation at once, or only if it is a certain one; return whether it did."""
    now = time.time()
    ended = db.execute(
        "UPDATE guests SET ends = :now, cause = :cause, paused = 0"
        " WHERE uid = :uid AND ends > :now AND :incarnation IN ('', incarnation)",
        {"uid": uid, "cause": cause, "now": now, "incarnation": incarnation},
    )
    if ended.rowcount:
        note(db, uid, "stopped", now)
    return ended.rowcount > 0


def ask_to_shut_down(db: sqlite3.Connection, uid: str, shutdown_seconds: float) -> None:
    """Ask a guest to shut down; one that boots, is paused, is stubborn or was asked already does not react."""
    now = time.time()
    heard = db.execute(
        "UPDATE guests SET ends = :now + :seconds, cause = 'Guest'"
        " WHERE uid = :uid AND ends = :never AND listens <= :now AND NOT paused AND NOT stubborn",
        {"uid": uid, "seconds": shutdown_seconds, "now": now, "never": _NEVER},
    )
    if heard.rowcount:
        note(db, uid, "stopped", now + shutdown_seconds)


def reboot(db: sqlite3.Connection, uid: str) -> bool:
    """Boot a guest again within its incarnation, in the time its latest boot took; return whether it runs."""
    now = time.time()
    done = db.execute(
        "UPDATE guests SET booting = :now, listens = :now + (listens - booting), reboots = reboots + 1"
        " WHERE uid = :uid AND NOT paused AND ends > :now",
        {"uid": uid, "now": now},
    )
    row = find(db, uid)
    if done.rowcount and row is not None:
        note(db, uid, "rebooted", now)
        _note_boot(db, uid, row["listens"])
    return done.rowcount > 0


def meet_reboot(db: sqlite3.Connection, uid: str, *, incarnation: str, request: str, hard: bool) -> None:
    """Carry a reboot order out and note it, unless it was met before.

    A guest that still boots, or is stubborn, hears no request: it meets the order without a reboot, as real ones do.
    """
    now = time.time()
    met = db.execute(
        "UPDATE guests SET reboot = :request"
        " WHERE uid = :uid AND incarnation = :incarnation AND ends > :now AND NOT paused AND reboot <> :request"
        " RETURNING listens <= :now AND NOT stubborn AS hears",
        {"uid": uid, "incarnation": incarnation, "request": request, "now": now},
    ).fetchone()
    if met is not None and (hard or met["hears"]):
        reboot(db, uid)


def pause(db: sqlite3.Connection, uid: str, *, paused: bool, incarnation: str = "") -> bool:
    """Freeze a guest or let it go on, or only if it is a certain incarnation; return whether that exists."""
    now = time.time()
    done = db.execute(
        "UPDATE guests SET paused = :paused WHERE uid = :uid AND ends > :now AND :incarnation IN ('', incarnation)",
        {"uid": uid, "paused": paused, "now": now, "incarnation": incarnation},
    )
    if done.rowcount:
        note(db, uid, "paused" if paused else "resumed", now)
    return done.rowcount > 0


def fit(db: sqlite3.Connection, uid: str, *, incarnation: str, field: str, value: object) -> bool:
    """Change one field of a running incarnation's shape; return whether it did.

    One that is paused, has ended or is another incarnation is left as it is.
    """
    now = time.time()
    done = db.execute(
        "UPDATE guests SET shape = json_set(shape, '$.' || :field, json(:value))"
        " WHERE uid = :uid AND incarnation = :incarnation AND ends > :now AND NOT paused",
        {"uid": uid, "incarnation": incarnation, "field": field, "value": json.dumps(value), "now": now},
    )
    if done.rowcount:
        note(db, uid, "fitted", now)
    return done.rowcount > 0


def lose_power(db: sqlite3.Connection) -> None:
    """End every incarnation as a host does that loses power: afterwards nobody knows why."""
    db.execute(
        "UPDATE guests SET ends = :now, cause = 'Unknown', paused = 0 WHERE ends > :now",
        {"now": time.time()},
    )


def _told(uid: str, hostname: str) -> GuestInfo:
    return GuestInfo(agent=True, addresses=addresses(uid), hostname=hostname, os=_OS, agent_version=_AGENT)


def _note_boot(db: sqlite3.Connection, uid: str, when: float) -> None:
    note(db, uid, "agent", when)
    note(db, uid, "address", when)
