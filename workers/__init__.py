"""Processes: which workflows and activities serve which task queue. `python -m workers --help` starts them."""
