#!/bin/sh
# Makes Temporal's databases and brings their schemas to this image's version. Running it again does only what is missing.
# Connection: SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD. SCHEMA: the folder of the versioned schemas.
set -eu
SCHEMA="${SCHEMA:-/etc/temporal/schema/postgresql/v12}"

ensure() {
    temporal-sql-tool --database "$1" create-database
    temporal-sql-tool --database "$1" setup-schema --version 0.0
    temporal-sql-tool --database "$1" update-schema --schema-dir "$SCHEMA/$2/versioned"
}

ensure temporal temporal
ensure temporal_visibility visibility
