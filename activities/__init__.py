"""Durable steps: thin, idempotent, calling drivers, images and other workflows. Nothing here decides."""
