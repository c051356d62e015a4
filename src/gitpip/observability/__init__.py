"""The observability of a running service: logs, metrics, and a watchdog."""
