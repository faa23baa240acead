#!/bin/sh
# Queues a job with curl, and waits until it has ended.
#
# Usage: TASKSERVER_TOKEN=tsk_... queue.sh TASK [JSON]
# Environment: TASKSERVER_URL (http://127.0.0.1:8742), TASKSERVER_TOKEN, TASKSERVER_CLIENT (default)
# Exit code: 0 when the job finished, 1 when it failed or was stopped, 2 when it was not queued.

set -eu

url=${TASKSERVER_URL:-http://127.0.0.1:8742}/api/v1
task=$1
data=${2:-'{}'}

# ask ARGUMENT ...: the answer; the token comes from stdin, since everybody may see a command line
ask() {
    printf 'header = "Authorization: Bearer %s"\n' "$TASKSERVER_TOKEN" | curl --silent --show-error --config - "$@"
}

# field NAME: a number or a word of a JSON object on stdin
field() {
    sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# With a key of its own the request may be sent again when the answer is lost: the job is queued once.
answer=$(ask --retry 3 --header 'Content-Type: application/json' \
    --header "Idempotency-Key: $(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" \
    --data "{\"task\": \"$task\", \"client\": \"${TASKSERVER_CLIENT:-default}\", \"data\": $data}" "$url/jobs")
job=$(printf '%s' "$answer" | field id)
if [ -z "$job" ]; then
    printf '%s\n' "$answer" >&2
    exit 2
fi
echo "job $job is queued"

while :; do
    status=$(ask "$url/jobs/$job" | field status)
    case $status in
        finished) echo "job $job has finished"; exit 0 ;;
        failed | stopped) echo "job $job: $status" >&2; exit 1 ;;
    esac
    sleep "${TASKSERVER_INTERVAL:-1}"
done
