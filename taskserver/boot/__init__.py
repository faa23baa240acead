"""Puts the task server among the services of a machine, and takes exactly that back.

`taskserver.cli` makes a `Site` and a plan, has `Installer` or `Uninstaller` carry it out, and prints what they
tell. Knows no command line and starts no daemon: it writes files, makes a user and folders, and calls the tools of
the init system.
"""
