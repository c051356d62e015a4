"""The HTTP API: `/api/v1`, and the original's endpoints."""
