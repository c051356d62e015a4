"""The pages: one file each, next to their templates."""
