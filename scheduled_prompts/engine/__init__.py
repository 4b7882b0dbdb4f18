"""What a daemon does: find what is due, claim it, run it, settle it."""
