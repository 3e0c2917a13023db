# Minor releases since 2026 have a list of plugins that a slot may use; those before do not know the setting.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command \
  "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'test_decoding', 'wal2json'" || true
