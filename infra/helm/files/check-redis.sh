#!/bin/sh
# Exit code 0 when Redis answers. LOADING and errors have exit code 0 in redis-cli too.
set -eu
url=$(cat "$REDIS_URL_FILE")
login=${url#*://}
login=${login%@*}
REDISCLI_AUTH=${login#*:} redis-cli "$@" ping | grep -q PONG
