"""Durable lives: one workflow is one object, from its declaration to its deletion."""
