"""How properties are explored: without a clock, since a busy machine is no fault."""

from hypothesis import settings

settings.register_profile("vmflow", deadline=None)
settings.load_profile("vmflow")
