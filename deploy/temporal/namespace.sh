#!/bin/sh
# Makes the namespace TEMPORAL_NAMESPACE unless it is there, with histories kept for RETENTION.
set -eu
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
