"""GitHub and Pipedrive on a socket, strict and faulty on demand: for demo, drill and tests.

A stand-in holds a world that can be changed and looked at from any thread, and serves the vendor's
API over it as an ASGI application:

    github = GitHub(tokens={"a-token"})
    github.add_user("ada")
    github.faults.script(Fault.drop(processed=True), method="GET", times=2)
    with Server(github.app) as server:
        ...  # server.url

It knows the vendors' rules from their documents, not from gitpip's code.
"""

from gitpip_standins.faults import Fault, FaultKind, FaultPlan
from gitpip_standins.github.api import GitHub
from gitpip_standins.pipedrive.api import Pipedrive
from gitpip_standins.server import Server

__all__ = ["Fault", "FaultKind", "FaultPlan", "GitHub", "Pipedrive", "Server"]
