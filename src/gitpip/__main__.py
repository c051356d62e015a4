"""`python -m gitpip` is `gitpip`."""

from gitpip.cli import main

main()
