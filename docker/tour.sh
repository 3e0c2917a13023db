# shellcheck shell=sh
# Run by compose.yaml: syncs with each method once, from the state of the previous run. Keeps
# messages and states in the current folder.
set -eu

tap() {
  echo "\$ tap-postgres --config ENV $*" >&2
  tap-postgres --config ENV "$@"
}

# sync NAME OPTION...: discovers with the options and syncs; NAME is the base name of all files.
sync() {
  name=$1
  shift
  tap --discover "$@" >"$name.catalog.json"
  if [ -e "$name.state.json" ]; then
    tap --catalog "$name.catalog.json" --state "$name.state.json" >"$name.jsonl"
  else
    tap --catalog "$name.catalog.json" >"$name.jsonl"
  fi
  # A target would write the states that it has confirmed. Without one, take the last state of the
  # run.
  grep '^{"type":"STATE"' "$name.jsonl" | tail -n 1 |
    sed 's/^{"type":"STATE","value":\(.*\)}$/\1/' >"$name.state.json"
  echo "$name: $(grep -c '^{"type":"RECORD"' "$name.jsonl" || true) records"
}

sync full-table --select '*.events' --replication-method FULL_TABLE
sync incremental --select '*.orders' --replication-method INCREMENTAL --replication-key placed_at
sync log-based --select '*.customers' --replication-method LOG_BASED
