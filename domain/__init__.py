"""What a virtual machine is and what may happen to it: pure data, tables and functions.

Nothing here knows Temporal, a hypervisor or the file system. Everything is a frozen pydantic model, an enum, a table
or a function over them, so every decision vmflow takes can be read and tested without running anything.
"""
