"""What operators' programs ask for: health, readiness, metrics."""
