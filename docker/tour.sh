# What compose.yaml runs: each method once, with the state of the last time. Messages and states stay in the folder.
set -eu

tap() {
  echo "\$ tap-postgres --config ENV $*" >&2
  tap-postgres --config ENV "$@"
}

# sync NAME DISCOVERY...: a file of each kind has that name.
sync() {
  name=$1
  shift
  tap --discover "$@" > "$name.catalog.json"
  if [ -e "$name.state.json" ]; then
    tap --catalog "$name.catalog.json" --state "$name.state.json" > "$name.jsonl"
  else
    tap --catalog "$name.catalog.json" > "$name.jsonl"
  fi
  # A target writes the states that it has confirmed; here, the last one of the run is as good.
  grep '^{"type":"STATE"' "$name.jsonl" | tail -n 1 | sed 's/^{"type":"STATE","value":\(.*\)}$/\1/' > "$name.state.json"
  echo "$name: $(grep -c '^{"type":"RECORD"' "$name.jsonl" || true) records"
}

sync full-table --select '*.events' --replication-method FULL_TABLE
sync incremental --select '*.orders' --replication-method INCREMENTAL --replication-key placed_at
sync log-based --select '*.customers' --replication-method LOG_BASED
