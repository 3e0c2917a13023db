# shellcheck shell=bash
# Allows wal2json. Minor releases since 2026 have a list of allowed plugins; older ones lack the
# setting.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command \
  "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'test_decoding', 'wal2json'" || true
