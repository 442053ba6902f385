#!/bin/sh
# Makes the cluster and its database on first start, as the official image does, then becomes the server.
set -eu
data=/var/lib/postgresql/data/cluster
bin=$(echo /usr/lib/postgresql/*/bin)
if [ ! -s "$data/PG_VERSION" ]; then
    password=$(mktemp)
    printf '%s' "$POSTGRES_PASSWORD" >"$password"
    "$bin/initdb" -D "$data" -U "$POSTGRES_USER" -A scram-sha-256 --pwfile "$password" -E UTF8 --locale C.UTF-8
    rm "$password"
    printf "listen_addresses = '*'\nunix_socket_directories = '/tmp'\n" >>"$data/postgresql.conf"
    echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
    # Without a listener: nobody may find the cluster half made.
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | "$bin/postgres" --single -D "$data" postgres
fi
exec "$bin/postgres" -D "$data"
