"""Authentication, roles and limits of callers."""
