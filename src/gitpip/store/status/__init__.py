"""The state of the service in rows: pauses, checks, samples, troubles."""
