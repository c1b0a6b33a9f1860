#!/bin/sh
# Run one script as a cron job: with a time limit, a log of its own in .log/ that never outgrows two files, and the alerts
# on stderr, which cron mails. A failure is mailed once, and again when it fails in other words or after it has gone well.
# Usage: in-cron.sh SCRIPT LIMIT, such as: in-cron.sh retrain 2h
set -eu
umask go-w
script=$1 limit=$2
cd "$(dirname "$0")/.."
mkdir -p .log
log=.log/$script.log
if [ -f "$log" ] && [ "$(wc -c < "$log")" -gt 1000000 ]; then mv "$log" "$log.1"; fi
this=$(mktemp ".log/.$script.XXXXXX")
trap 'rm -f "$this"' EXIT
code=0
TRIGGER=cron timeout --signal=TERM --kill-after=60 "$limit" sh scripts/in-venv.sh "scripts/$script.py" > "$this" 2>&1 || code=$?
{ echo "--- $(date -u +%Y-%m-%dT%H:%M:%SZ) $script, exit code $code"; cat "$this"; } >> "$log"
grep 'ALERT' "$this" >&2 || :
told=.log/$script.failed
case $code in
    0|3) rm -f "$told"; exit 0 ;;
    124|137) words="$script: stopped after its limit of $limit; see $(pwd)/$log" ;;
    *) said=$(grep "^$script: " "$this" | grep -v ': ALERT ' | tail -n 3) || :  # not the lines of what has gone well, which differ each time
       words="$script: failed with exit code $code; see $(pwd)/$log
${said:-$(tail -n 1 "$this")}" ;;
esac
[ "$words" = "$(cat "$told" 2>/dev/null)" ] || { echo "$words" >&2; echo "$words" > "$told"; }
exit "$code"
