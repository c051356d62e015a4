"""The scheduler, which decides what runs in which process and when. It knows no gist."""

from gitpip.runtime.scheduler.connection import describe
from gitpip.runtime.scheduler.scheduler import Handler, Scheduler, Timing, failure

__all__ = ["Handler", "Scheduler", "Timing", "describe", "failure"]
