"""Everything a process needs before it can do its work: settings, logs, a Temporal client, the processes beside it."""
