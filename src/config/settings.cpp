// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include "row_filters.hpp"

namespace tap::config {

namespace {

template <class Choice>
using Choices = std::vector<std::pair<std::string_view, Choice>>;
using value::EncodingOptions;

void set_keyword(Config& config, const char* keyword, const Reader& value) {
  config.server.keywords[keyword] = value.text();
}

/// Reads one port, or one port per host.
std::string ports(const Reader& value) {
  std::string ports;
  for (const std::uint64_t port : value.counts()) {
    if (port == 0 || port > 65535) {
      value.fail("a port, 1 to 65535");
    }
    ports += (ports.empty() ? "" : ",") + fmt::to_string(port);
  }
  return ports;
}

void set_url(Config& config, const Reader& value) {
  if (const std::string url = value.text(); !url.empty() && !config.server.take_url(url)) {
    value.fail(
        "a URI like postgresql://user:password@host:5432/dbname; in the password, write @ as %40, : as %3A, "
        "/ as %2F, ? as %3F and % as %25");
  }
}

/// Accepts the units of the server (PostgreSQL manual, "Setting Parameters").
void set_timeout(Config& config, const char* name, const Reader& value) {
  const std::string text = value.text();
  const auto unit = std::min(text.find_first_not_of("0123456789"), text.size());
  constexpr std::array<std::string_view, 7> units = {"", "us", "ms", "s", "min", "h", "d"};
  if (unit == 0 || std::ranges::find(units, text.substr(unit)) == units.end()) {
    value.fail("milliseconds, or a time with a unit like 30s, 5min or 2h");
  }
  config.server.timeouts[name] = text;
}

void set_sslmode(Config& config, const Reader& value) {
  Choices<std::string> modes;
  for (const char* mode : {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}) {
    modes.emplace_back(mode, mode);
  }
  config.server.keywords["sslmode"] = value.one_of(modes);
}

void set_tunnel_port(Config& config, const Reader& value) {
  const std::uint64_t port = value.count();
  if (port == 0 || port > 65535) {
    value.fail("a port, 1 to 65535");
  }
  config.tunnel.port = static_cast<std::uint16_t>(port);
}

void set_host_key(Config& config, const Reader& value) {
  config.tunnel.host_key = value.text();
  const std::string& key = config.tunnel.host_key;
  if (!key.empty() && key != "any" && key.compare(0, 7, "SHA256:") != 0 &&
      key.find(' ') == std::string::npos) {
    value.fail("a fingerprint SHA256:..., a public key, or any");
  }
}

void set_keepalive(Config& config, const Reader& value) {
  constexpr std::uint64_t day = 86400;
  config.tunnel.keepalive = std::chrono::seconds(std::min(value.count(), day));
}

void set_silence(Config& config, const Reader& value) {
  constexpr std::uint64_t day = 86400;
  config.server.silence = std::chrono::seconds(std::min(value.count(), day));
}

void set_parallel(Config& config, const Reader& value) {
  constexpr std::uint64_t most = 64;
  const std::uint64_t connections = value.count();
  if (connections == 0 || connections > most) {
    value.fail("a number of connections, 1 to 64");
  }
  config.parallel = static_cast<unsigned>(connections);
}

void set_limit(Config& config, const Reader& value) {
  config.limit = value.count();
  if (config.limit > std::numeric_limits<std::int64_t>::max()) {
    value.fail("at most 9223372036854775807");  // the server's LIMIT is a bigint
  }
}

void set_default_method(Config& config, const Reader& value) {
  if (const std::string method = value.text(); !method.empty()) {
    config.default_replication_method = value.one_of(Choices<singer::ReplicationMethod>(
        singer::kReplicationMethods.begin(), singer::kReplicationMethods.end()));
  }
}

void set_publications(Config& config, const Reader& value) {
  std::vector<std::string> names;
  for (const std::string& name : value.list()) {
    if (std::ranges::find(names, name) == names.end()) {
      names.push_back(name);
    }
  }
  if (!names.empty()) {
    config.log.publications = names;
  }
}

/// Reads seconds; std::nullopt for 0, which means no limit.
std::optional<std::chrono::duration<double>> duration(const Reader& value) {
  const double seconds = value.amount();
  return seconds > 0 ? std::optional<std::chrono::duration<double>>(seconds) : std::nullopt;
}

const auto kSettings = std::to_array<Setting>({
    {"host", "", "text", "",
     "Host name, IP address or socket directory; comma-separated hosts are tried in order",
     [](Config& c, const Reader& v) { set_keyword(c, "host", v); }},
    {"port", "", "integer", "5432", "Port, or one port per host, comma-separated",
     [](Config& c, const Reader& v) { c.server.keywords["port"] = ports(v); }},
    {"user", "", "text", "", "Role to log in as",
     [](Config& c, const Reader& v) { set_keyword(c, "user", v); }},
    {"password", "", "text", "", "Password of the role",
     [](Config& c, const Reader& v) { set_keyword(c, "password", v); }, true},
    {"dbname", "database", "text", "", "Database to connect to",
     [](Config& c, const Reader& v) { set_keyword(c, "dbname", v); }},
    {"ssl", "", "boolean", "false", "Require TLS; `sslmode` may require more",
     [](Config& c, const Reader& v) {
       if (v.flag()) {
         c.server.keywords.emplace("sslmode", "require");
       }
     }},
    {"sslmode", "", "text", "prefer", "`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`",
     set_sslmode},
    {"sslrootcert", "", "text", "", "Trusted certificate authorities (file or PEM text)",
     [](Config& c, const Reader& v) { c.server.set_file("sslrootcert", v.text()); }},
    {"sslcert", "", "text", "", "Client certificate (file or PEM text)",
     [](Config& c, const Reader& v) { c.server.set_file("sslcert", v.text()); }},
    {"sslkey", "", "text", "", "Private key of the client certificate (file or PEM text)",
     [](Config& c, const Reader& v) { c.server.set_file("sslkey", v.text()); }, true},
    {"sslcrl", "", "text", "", "Certificate revocation list (file or PEM text)",
     [](Config& c, const Reader& v) { c.server.set_file("sslcrl", v.text()); }},
    {"sqlalchemy_url", "url", "text", "",
     "Connection URI, `postgresql://user:password@host:5432/dbname`; overrides the keys above", set_url,
     true},
    {"password_command", "", "text", "", "Shell command that prints the password; run for each connection",
     [](Config& c, const Reader& v) { c.server.password_command = v.text(); }, true},
    {"use_secondary", "", "boolean", "false", "Copy tables from a standby; WAL is still read from `host`",
     [](Config& c, const Reader& v) { c.secondary.used = v.flag(); }},
    {"secondary_host", "", "text", "", "Host of the standby; required with `use_secondary`",
     [](Config& c, const Reader& v) { c.secondary.host = v.text(); }},
    {"secondary_port", "", "integer", "", "Port of the standby; default: `port`",
     [](Config& c, const Reader& v) { c.secondary.port = ports(v); }},
    {"statement_timeout", "", "text", "0",
     "Time limit for one statement, which may be a whole copy (`2h`, or milliseconds); 0: none",
     [](Config& c, const Reader& v) { set_timeout(c, "statement_timeout", v); }},
    {"lock_timeout", "", "text", "5min",
     "How long to wait for a table lock, or for open transactions before an initial snapshot",
     [](Config& c, const Reader& v) { set_timeout(c, "lock_timeout", v); }},
    {"idle_in_transaction_session_timeout", "", "text", "0",
     "How long a transaction may be idle, for example while the target is blocked; 0: no limit",
     [](Config& c, const Reader& v) { set_timeout(c, "idle_in_transaction_session_timeout", v); }},
    {"silence_timeout", "", "integer", "60",
     "Seconds without data before a second connection checks that the server is alive; 0: never",
     set_silence},
    {"ssh_tunnel.host", "", "text", "", "SSH server to connect through",
     [](Config& c, const Reader& v) { c.tunnel.host = v.text(); }},
    {"ssh_tunnel.port", "", "integer", "22", "Port of the SSH server", set_tunnel_port},
    {"ssh_tunnel.username", "", "text", "", "SSH user; default: the user that runs the tap",
     [](Config& c, const Reader& v) { c.tunnel.username = v.text(); }},
    {"ssh_tunnel.private_key", "", "text", "", "SSH private key (file or text)",
     [](Config& c, const Reader& v) { c.tunnel.private_key = v.text(); }, true},
    {"ssh_tunnel.private_key_password", "", "text", "", "Passphrase of the SSH private key",
     [](Config& c, const Reader& v) { c.tunnel.private_key_password = v.text(); }, true},
    {"ssh_tunnel.password", "", "text", "", "SSH password",
     [](Config& c, const Reader& v) { c.tunnel.password = v.text(); }, true},
    {"ssh_tunnel.known_hosts", "", "text", "~/.ssh/known_hosts", "File with known SSH host keys",
     [](Config& c, const Reader& v) { c.tunnel.known_hosts = v.text(); }},
    {"ssh_tunnel.host_key", "", "text", "",
     "Expected SSH host key: fingerprint `SHA256:...`, public key, or `any` to skip the check", set_host_key},
    {"ssh_tunnel.keepalive", "", "integer", "30",
     "Seconds between keepalives to an idle SSH server; 0: never", set_keepalive},
    {"ssh_tunnel.enable", "", "boolean", "true", "Whether to use the tunnel",
     [](Config& c, const Reader& v) { c.tunnel_enabled = v.flag(); }},
    {"filter_dbs", "", "list", "", "Databases to discover; default: all that accept the role",
     [](Config& c, const Reader& v) { c.filter_dbs = v.list(); }},
    {"filter_schemas", "", "list", "", "Schemas to discover; default: all",
     [](Config& c, const Reader& v) { c.filter_schemas = v.list(); }},
    {"default_replication_method", "", "text", "",
     "Replication method of streams without `replication-method` metadata", set_default_method},
    {"include_schemas_in_destination_stream_name", "", "boolean", "false", "Name streams `<schema>_<table>`",
     [](Config& c, const Reader& v) { c.schema_in_stream_name = v.flag(); }},
    {"where", "custom_where_clauses", "object", "",
     "Row filters: `{\"schema.table\": \"SQL condition\"}`, or a list of conditions, all of which must be "
     "true",
     add_row_filters},
    {"stream_options", "", "object", "",
     "Row filters in another form: `{\"schema-table\": {\"custom_where_clauses\": [\"SQL condition\"]}}`",
     add_stream_options},
    {"schema_dialect", "", "text", "portable",
     "JSON schema form: `portable` (valid in every draft) or `singer-io` (identical to the Python tap)",
     [](Config& c, const Reader& v) {
       c.values.schema_dialect =
           v.one_of(Choices<EncodingOptions::Dialect>{{"portable", EncodingOptions::Dialect::portable},
                                                      {"singer-io", EncodingOptions::Dialect::singer_io}});
     }},
    {"numeric_as", "", "text", "number", "`number`, or `decimal-string` with `format: x-singer.decimal`",
     [](Config& c, const Reader& v) {
       c.values.numeric_as = v.one_of(Choices<EncodingOptions::NumericAs>{
           {"number", EncodingOptions::NumericAs::number},
           {"decimal-string", EncodingOptions::NumericAs::decimal_string}});
     }},
    {"json_as_object", "", "boolean", "false", "Write json and jsonb as JSON values instead of strings",
     [](Config& c, const Reader& v) { c.values.json_as_object = v.flag(); }},
    {"other_types", "", "text", "string",
     "Types the Python tap ignores (interval, bytea, ...): `string` or `unsupported` (default for "
     "`singer-io`)",
     [](Config& c, const Reader& v) {
       c.values.other_types = v.one_of(
           Choices<EncodingOptions::OtherTypes>{{"string", EncodingOptions::OtherTypes::string},
                                                {"unsupported", EncodingOptions::OtherTypes::unsupported}});
     }},
    {"non_finite_numbers", "", "text", "null", "NaN and infinity: `null` or `string`",
     [](Config& c, const Reader& v) {
       c.values.non_finite_numbers = v.one_of(Choices<EncodingOptions::NonFinite>{
           {"null", EncodingOptions::NonFinite::null}, {"string", EncodingOptions::NonFinite::string}});
     }},
    {"out_of_range_dates", "", "text", "clamp",
     "Infinity and years outside 1-9999: `clamp`, `null`, `string` or `error`",
     [](Config& c, const Reader& v) {
       c.values.out_of_range_dates =
           v.one_of(Choices<EncodingOptions::OutOfRange>{{"clamp", EncodingOptions::OutOfRange::clamp},
                                                         {"null", EncodingOptions::OutOfRange::null},
                                                         {"string", EncodingOptions::OutOfRange::string},
                                                         {"error", EncodingOptions::OutOfRange::error}});
     }},
    {"parallel", "", "integer", "1",
     "Number of connections that copy tables at the same time; on PostgreSQL 14 and later also one large "
     "table",
     set_parallel},
    {"limit", "max_record_count", "integer", "0",
     "Incremental: maximum number of rows per run (ties are included); 0: no limit", set_limit},
    {"replication_key_lookback", "", "number", "0",
     "Incremental: how far below the bookmark to read again (seconds, or a number)",
     [](Config& c, const Reader& v) { c.replication_key_lookback = v.amount(); }},
    {"replication_slot", "replication_slot_name", "text", "",
     "Log-based: replication slot; default: `stitch_<dbname>`, then `stitch`",
     [](Config& c, const Reader& v) { c.log.slot = v.text(); }},
    {"create_replication_slot", "", "boolean", "false", "Log-based: create the slot if it is missing",
     [](Config& c, const Reader& v) { c.log.create_slot = v.flag(); }},
    {"failover_slot", "", "boolean", "false",
     "Log-based: create the slot as a failover slot, which PostgreSQL 17 and later copy to standbys",
     [](Config& c, const Reader& v) { c.log.failover_slot = v.flag(); }},
    {"logical_decoding_plugin", "", "text", "auto",
     "Log-based: `pgoutput`, `wal2json`, or `auto` to use the slot's plugin (pgoutput for a new slot)",
     [](Config& c, const Reader& v) {
       using Plugin = LogSettings::Plugin;
       c.log.plugin = v.one_of(Choices<Plugin>{
           {"auto", Plugin::automatic}, {"pgoutput", Plugin::pgoutput}, {"wal2json", Plugin::wal2json}});
     }},
    {"publication_name", "", "text", "tap_postgres",
     "Log-based, pgoutput: publication with the tables to read, or several, comma-separated",
     set_publications},
    {"create_publication", "", "boolean", "",
     "Log-based, pgoutput: create the publication and add selected tables; default: "
     "`create_replication_slot`",
     [](Config& c, const Reader& v) { c.log.create_publication = v.flag(); }},
    {"wal2json_message_format", "", "text", "2",
     "Log-based: `1` for wal2json releases without format 2; TRUNCATE is not reported",
     [](Config& c, const Reader& v) {
       using Format = LogSettings::Format;
       c.log.format = v.one_of(Choices<Format>{{"1", Format::v1}, {"2", Format::v2}, {"", Format::newest}});
     }},
    {"break_at_end_lsn", "", "boolean", "true",
     "Log-based: stop at the end of WAL as of the start of the run; `false`: run continuously",
     [](Config& c, const Reader& v) { c.log.stop_at_end = v.flag(); }},
    {"max_run_seconds", "replication_max_run_seconds", "number", "0",
     "Log-based: stop at the first commit after this many seconds; 0: no limit",
     [](Config& c, const Reader& v) { c.log.max_run = duration(v); }},
    {"logical_poll_total_seconds", "replication_idle_exit_seconds", "number", "0",
     "Log-based: stop after this many seconds without a change; 0: no limit",
     [](Config& c, const Reader& v) { c.log.max_idle = duration(v); }},
    {"unsent_columns", "", "text", "fetch",
     "Log-based: unchanged TOAST columns, which WAL lacks: `fetch` from the table or `omit`",
     [](Config& c, const Reader& v) {
       c.log.fetch_unchanged_toast = v.one_of(Choices<bool>{{"fetch", true}, {"omit", false}});
     }},
    {"debug_lsn", "", "boolean", "false", "Log-based: add `_sdc_lsn` to records",
     [](Config& c, const Reader& v) { c.log.lsn_column = v.flag(); }},
    {"record_sequence", "", "boolean", "false", "Log-based: add an increasing `sequence` to RECORD messages",
     [](Config& c, const Reader& v) { c.log.sequence = v.flag(); }},
    {"tap_id", "", "text", "",
     "Use slot `pipelinewise_<dbname>[_<tap_id>]`, and sync columns that the catalog does not have",
     [](Config& c, const Reader& v) { c.log.tap_id = v.text(); }},
    {"max_retries", "", "integer", "5",
     "Retries after a transient error; the count restarts when the bookmark advances",
     [](Config& c, const Reader& v) {
       c.max_retries = static_cast<unsigned>(std::min<std::uint64_t>(v.count(), 1000));
     }},
    {"state_every_seconds", "", "number", "5", "Time after which a STATE message is due",
     [](Config& c, const Reader& v) { c.state_every_time = std::chrono::duration<double>(v.amount()); }},
    {"state_every_rows", "", "integer", "100000", "Number of rows after which a STATE message is due",
     [](Config& c, const Reader& v) {
       c.state_every_rows = v.count();
       if (c.state_every_rows == 0) {
         v.fail("1 or more");
       }
     }},
    {"emit_activate_version_messages", "", "boolean", "true",
     "Write ACTIVATE_VERSION; `false` for targets that refuse it: rows that no longer exist stay there",
     [](Config& c, const Reader& v) { c.emit_activate_version = v.flag(); }},
});

constexpr auto kWithoutEffect = std::to_array<std::string_view>(
    {"itersize", "frequency_in_minutes", "stream_map_config", "faker_config", "flattening_enabled",
     "flattening_max_depth", "batch_config", "dates_as_string", "ssl_storage_directory",
     "flattening_max_key_length", "flattening_separator", "log_based_single_connection",
     "auto_bootstrap_log_based", "use_singer_decimal"});

/// True if the value requests the feature: the other taps ignore false and empty values, too.
bool is_filled(const Json& value) {
  const bool blank = value.is_string() && value.get_ref<const std::string&>().empty();
  return !value.empty() && !blank && value != false;
}

/// True if a stream map changes something: it may remove or hide values, so that a run must not ignore it.
bool is_mapping(const Json& value) {
  const Json maps =
      value.is_string() ? Json::parse(value.get_ref<const std::string&>(), nullptr, false) : value;
  if (!maps.is_object()) {
    return is_filled(value);
  }
  return std::ranges::any_of(maps, [](const Json& map) { return !map.is_object() || !map.empty(); });
}

constexpr auto kMissing = std::to_array<MissingSetting>({
    {"stream_maps", is_mapping,
     "remove the key and put a mapper such as meltano-map-transformer between tap and target, which has the "
     "same setting"},
});

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

const Setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find_if(kSettings, [&](const Setting& setting) {
    return setting.name == key || (!setting.alias.empty() && setting.alias == key);
  });
  return found == kSettings.end() ? nullptr : &*found;
}

std::string_view other_name(std::string_view key) {
  const Setting* const setting = find_setting(key);
  return setting == nullptr ? "" : setting->name == key ? setting->alias : setting->name;
}

std::span<const MissingSetting> missing_settings() {
  return kMissing;
}

std::span<const std::string_view> keys_without_effect() {
  return kWithoutEffect;
}

}  // namespace tap::config
