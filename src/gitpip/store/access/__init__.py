"""Access: keys, sessions, feed tokens, and the audit log."""
