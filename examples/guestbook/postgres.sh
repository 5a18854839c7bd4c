#!/bin/sh
# PID 1 of the database: makes the cluster on an empty volume, then is the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --auth-local=trust --auth-host=scram-sha-256 --pwfile=/run/secrets/database_password --no-instructions
	echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
exec postgres -c jit=off -c listen_addresses='*' -c unix_socket_directories=/tmp
