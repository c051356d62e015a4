"""How rows become HTML: templates, highlighting, charts, diffs, links."""
