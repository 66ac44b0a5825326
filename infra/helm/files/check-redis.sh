#!/bin/sh
# Exits with 0 if Redis answers PONG. The exit code of redis-cli is 0 even for LOADING and errors.
set -eu
url=$(cat "$REDIS_URL_FILE")
login=${url#*://}
login=${login%@*}
REDISCLI_AUTH=${login#*:} redis-cli "$@" ping | grep -q PONG
