"""What people type: `vmflow`."""
