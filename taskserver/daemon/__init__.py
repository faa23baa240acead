"""Being a daemon: pidfile, identity, detaching, signals, control socket, logs.

The command line starts and stops it from outside; inside, it drives a `Service` (daemon/service.py) and knows
nothing of jobs, databases or tasks. Nothing here imports SQLAlchemy or pydantic, so `status` and `stop` stay quick
and work when everything else is broken.
"""
