"""Endpoints for operators' programs: health, readiness, metrics."""
