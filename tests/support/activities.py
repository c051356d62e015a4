"""What activities in the stand-in's Pipedrive hold."""

from collections.abc import Mapping

from gitpip.publish.activity import find_markers


def markers_in(activity: Mapping[str, object]) -> tuple[str, ...]:
    """The markers of all files that an activity's note names, its own first."""
    found = find_markers(subject=None, note=str(activity["note"]))
    return (str(found.in_footer), *(marker for marker, _ in found.parts))
