"""The web console: pages, the JSON API and the metrics, on one database.

`create_app` in `web.app` puts it together; the control program and the daemon's child process serve it. Everything
reaches the store through `web.scope`, the one door. It knows neither the dispatcher nor the daemon: what only they
know is handed in. Importing this package alone costs nothing.
"""
