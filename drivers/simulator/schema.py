"""The tables of the simulator's state file. Times are seconds since the epoch; a time in the future is a plan."""

VERSION = 2
"""Stored as `user_version`; a file of another version is refused."""

SCHEMA = """
CREATE TABLE host (
    uuid      TEXT NOT NULL,
    reachable INTEGER NOT NULL DEFAULT 1,
    epoch     INTEGER NOT NULL DEFAULT 0      -- grows whenever every connection to the host breaks
);
CREATE TABLE guests (
    uid         TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,         -- the domain's name
    plan        TEXT NOT NULL,                -- GuestPlan as JSON
    owner       TEXT NOT NULL,                -- namespace/name of the VM
    hostname    TEXT NOT NULL,
    incarnation TEXT NOT NULL DEFAULT '',     -- the latest power-on; empty before the first
    start       INTEGER NOT NULL DEFAULT 0,   -- number of the latest power-on that was ordered
    started     REAL NOT NULL DEFAULT 0,      -- the latest power-on
    booting     REAL NOT NULL DEFAULT 0,      -- the latest boot; later than `started` after a reboot
    listens     REAL NOT NULL DEFAULT 0,      -- when its agent is up
    reboots     INTEGER NOT NULL DEFAULT 0,   -- since the latest power-on
    ends        REAL NOT NULL DEFAULT 0,      -- when the incarnation is over; infinity while nothing ends it
    cause       TEXT NOT NULL DEFAULT 'Unknown',
    paused      INTEGER NOT NULL DEFAULT 0,
    shape       TEXT NOT NULL DEFAULT '',     -- what the latest incarnation has: Shape as JSON
    max_cpus    INTEGER NOT NULL DEFAULT 0,   -- how far the latest incarnation can be grown
    max_memory  INTEGER NOT NULL DEFAULT 0,
    build       TEXT NOT NULL DEFAULT '',     -- GuestPlan.build of the latest incarnation
    reboot      TEXT NOT NULL DEFAULT '',     -- the latest reboot order that the latest incarnation has met
    stubborn    INTEGER NOT NULL DEFAULT 0    -- ignores every request to shut down
) WITHOUT ROWID;
CREATE VIEW states AS                         -- guests without their plans, which are long and seldom asked for
    SELECT uid, owner, hostname, incarnation, start, started, booting, listens, reboots, ends, cause, paused,
           shape, max_cpus, max_memory, build, reboot
    FROM guests;
CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    uid  TEXT NOT NULL,
    kind TEXT NOT NULL,                       -- root, seed or partial
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE journal (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    uid  TEXT NOT NULL,
    what TEXT NOT NULL,
    due  REAL NOT NULL
);
CREATE INDEX journal_by_due ON journal (due);
CREATE TABLE faults (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    call   TEXT NOT NULL,
    uid    TEXT NOT NULL,
    moment TEXT NOT NULL,
    rule   TEXT NOT NULL,                     -- Fault as JSON
    times  INTEGER                            -- how often it still fires; NULL for ever
);
CREATE TABLE firings (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    fault  INTEGER NOT NULL,
    call   TEXT NOT NULL,
    uid    TEXT NOT NULL,
    moment TEXT NOT NULL,
    pid    INTEGER NOT NULL
);
"""
