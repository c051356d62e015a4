"""The condition of the service: its problems as data, and the acts that help."""
