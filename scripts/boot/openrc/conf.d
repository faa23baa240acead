# Settings of the service /etc/init.d/task-server, as shell assignments. Copy this file to /etc/conf.d/task-server
# and remove the # before what you change.

# The control program of the installation.
# DAEMON=/opt/taskserver/scripts/task_server.py

# A configuration file in another place than etc/taskserver.toml of the installation.
# CONFIG=/etc/taskserver.toml

# Options of the control program, such as --lang de.
# DAEMON_OPTS=''

# The user, or user:group, that the daemon is; set run_as in the configuration to the same one, for commands of root.
# RUN_AS=taskserver

# The log.
# LOG=/var/log/task-server.log
