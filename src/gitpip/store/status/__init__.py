"""How the service is doing, as rows: pauses, checks, samples, troubles."""
