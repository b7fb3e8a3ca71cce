"""Patches: what an object becomes by one, and who owns which of its fields afterwards. Pure.

    patches.patched(resource, name, live, content_type, body)   merge, JSON and strategic merge patch
    managers.record(resource, live, new, writer)                the book of field managers after a write
    apply.applied(resource, live, config, writer, force=...)    server-side apply: the object, its book kept

Objects are documents (JSON objects as dicts); none that is passed in is changed. What a kind looks like (which lists
are merged by keys, which maps are replaced whole) comes from its OpenAPI schema, by `shape`.
"""
