"""The pages: one file each, beside their templates."""
