"""Rendering rows as HTML: templates, highlighting, charts, diffs, links."""
