// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <spdlog/fmt/fmt.h>

namespace tap::config {

namespace {

template <class Choice>
using Choices = std::vector<std::pair<std::string_view, Choice>>;
using value::EncodingOptions;

void set_keyword(Config& config, const char* keyword, const Reader& value) {
  config.server.keywords[keyword] = value.text();
}

/// One, or one for each host.
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
        "a URI like postgresql://user:password@host:5432/dbname, in whose password @ is %40, : is %3A, / is "
        "%2F, "
        "? is %3F and % is %25");
  }
}

/// As the server reads them (manual: Setting Parameters).
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

void set_limit(Config& config, const Reader& value) {
  config.limit = value.count();
  if (config.limit > std::numeric_limits<std::int64_t>::max()) {
    value.fail("at most 9223372036854775807");  // the server counts rows so far
  }
}

void set_default_method(Config& config, const Reader& value) {
  if (const std::string method = value.text(); !method.empty()) {
    config.default_replication_method = value.one_of(Choices<singer::ReplicationMethod>(
        singer::kReplicationMethods.begin(), singer::kReplicationMethods.end()));
  }
}

/// 0 is no limit.
std::optional<std::chrono::duration<double>> duration(const Reader& value) {
  const double seconds = value.amount();
  return seconds > 0 ? std::optional<std::chrono::duration<double>>(seconds) : std::nullopt;
}

const auto kSettings = std::to_array<Setting>({
    {"host", "", "text", "",
     "server's name, address, or socket folder; or several with commas between, to be tried in order",
     [](Config& c, const Reader& v) { set_keyword(c, "host", v); }},
    {"port", "", "integer", "5432", "server's port, or one for each host",
     [](Config& c, const Reader& v) { c.server.keywords["port"] = ports(v); }},
    {"user", "", "text", "", "role to log in as",
     [](Config& c, const Reader& v) { set_keyword(c, "user", v); }},
    {"password", "", "text", "", "its password",
     [](Config& c, const Reader& v) { set_keyword(c, "password", v); }, true},
    {"dbname", "database", "text", "", "database to connect to",
     [](Config& c, const Reader& v) { set_keyword(c, "dbname", v); }},
    {"ssl", "", "boolean", "false", "true: `sslmode=require`, or a stronger `sslmode`",
     [](Config& c, const Reader& v) {
       if (v.flag()) {
         c.server.keywords.emplace("sslmode", "require");
       }
     }},
    {"sslmode", "", "text", "prefer", "`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`",
     set_sslmode},
    {"sslrootcert", "", "text", "",
     "certificates of the authorities that the server's must come from: a file, or its text (PEM)",
     [](Config& c, const Reader& v) { c.server.set_file("sslrootcert", v.text()); }},
    {"sslcert", "", "text", "", "our own certificate: a file, or its text (PEM)",
     [](Config& c, const Reader& v) { c.server.set_file("sslcert", v.text()); }},
    {"sslkey", "", "text", "", "its key: a file, or its text (PEM)",
     [](Config& c, const Reader& v) { c.server.set_file("sslkey", v.text()); }, true},
    {"sslcrl", "", "text", "", "certificates that are revoked: a file, or its text (PEM)",
     [](Config& c, const Reader& v) { c.server.set_file("sslcrl", v.text()); }},
    {"sqlalchemy_url", "url", "text", "",
     "the server as a URI, `postgresql://user:password@host:5432/dbname?sslmode=require`; it wins over the "
     "keys above",
     set_url, true},
    {"password_command", "", "text", "",
     "shell command that prints the password, run for each connection: for tokens that expire, or a vault",
     [](Config& c, const Reader& v) { c.server.password_command = v.text(); }, true},
    {"use_secondary", "", "boolean", "false",
     "copies (full table, incremental, first copies) come from a standby, the log from `host`",
     [](Config& c, const Reader& v) { c.secondary.used = v.flag(); }},
    {"secondary_host", "", "text", "", "the standby; required with `use_secondary`",
     [](Config& c, const Reader& v) { c.secondary.host = v.text(); }},
    {"secondary_port", "", "integer", "", "its port, else `port`",
     [](Config& c, const Reader& v) { c.secondary.port = ports(v); }},
    {"statement_timeout", "", "text", "0",
     "longest time for one statement, a whole copy: milliseconds, or with a unit, `2h`; 0: no limit",
     [](Config& c, const Reader& v) { set_timeout(c, "statement_timeout", v); }},
    {"lock_timeout", "", "text", "5min", "longest wait for a table that somebody else has locked",
     [](Config& c, const Reader& v) { set_timeout(c, "lock_timeout", v); }},
    {"idle_in_transaction_session_timeout", "", "text", "0",
     "longest time that the server waits for us inside of a transaction",
     [](Config& c, const Reader& v) { set_timeout(c, "idle_in_transaction_session_timeout", v); }},
    {"silence_timeout", "", "integer", "60",
     "after so many seconds without a word, a second connection asks the server whether the first is alive; "
     "0: never",
     set_silence},
    {"ssh_tunnel.host", "", "text", "", "SSH server through which to connect",
     [](Config& c, const Reader& v) { c.tunnel.host = v.text(); }},
    {"ssh_tunnel.port", "", "integer", "22", "its port", set_tunnel_port},
    {"ssh_tunnel.username", "", "text", "", "login name there; else the system's of whom the tap runs as",
     [](Config& c, const Reader& v) { c.tunnel.username = v.text(); }},
    {"ssh_tunnel.private_key", "", "text", "", "key to log in with: its text, or the path of its file",
     [](Config& c, const Reader& v) { c.tunnel.private_key = v.text(); }, true},
    {"ssh_tunnel.private_key_password", "", "text", "", "what the key is encrypted with",
     [](Config& c, const Reader& v) { c.tunnel.private_key_password = v.text(); }, true},
    {"ssh_tunnel.password", "", "text", "", "password to log in with",
     [](Config& c, const Reader& v) { c.tunnel.password = v.text(); }, true},
    {"ssh_tunnel.known_hosts", "", "text", "~/.ssh/known_hosts", "file with the keys of known SSH servers",
     [](Config& c, const Reader& v) { c.tunnel.known_hosts = v.text(); }},
    {"ssh_tunnel.host_key", "", "text", "",
     "the server's key, in place of a file: fingerprint `SHA256:...`, public key, or `any` for no check",
     set_host_key},
    {"ssh_tunnel.keepalive", "", "integer", "30",
     "asks a silent SSH server after so many seconds whether it is there; 0: never", set_keepalive},
    {"ssh_tunnel.enable", "", "boolean", "true", "false: connect without the tunnel",
     [](Config& c, const Reader& v) { c.tunnel_enabled = v.flag(); }},
    {"filter_dbs", "", "list", "", "discover these databases only, else every one that the user can reach",
     [](Config& c, const Reader& v) { c.filter_dbs = v.list(); }},
    {"filter_schemas", "", "list", "", "discover these schemas only",
     [](Config& c, const Reader& v) { c.filter_schemas = v.list(); }},
    {"default_replication_method", "", "text", "", "for streams whose metadata has no `replication-method`",
     set_default_method},
    {"include_schemas_in_destination_stream_name", "", "boolean", "false",
     "streams are called `<schema>_<table>`",
     [](Config& c, const Reader& v) { c.schema_in_stream_name = v.flag(); }},
    {"schema_dialect", "", "text", "portable",
     "form of the JSON schema: `portable`, valid in every draft, or `singer-io`, the Python tap's to the "
     "letter",
     [](Config& c, const Reader& v) {
       c.values.schema_dialect =
           v.one_of(Choices<EncodingOptions::Dialect>{{"portable", EncodingOptions::Dialect::portable},
                                                      {"singer-io", EncodingOptions::Dialect::singer_io}});
     }},
    {"numeric_as", "", "text", "number",
     "numeric columns as JSON numbers, or as `decimal-string` with `format: x-singer.decimal`",
     [](Config& c, const Reader& v) {
       c.values.numeric_as = v.one_of(Choices<EncodingOptions::NumericAs>{
           {"number", EncodingOptions::NumericAs::number},
           {"decimal-string", EncodingOptions::NumericAs::decimal_string}});
     }},
    {"json_as_object", "", "boolean", "false", "json and jsonb as JSON values, not as strings",
     [](Config& c, const Reader& v) { c.values.json_as_object = v.flag(); }},
    {"other_types", "", "text", "string",
     "types that the Python tap leaves out (interval, bytea, ranges, ...): `string` or `unsupported`; "
     "with "
     "`schema_dialect: singer-io` the default is `unsupported`",
     [](Config& c, const Reader& v) {
       c.values.other_types = v.one_of(
           Choices<EncodingOptions::OtherTypes>{{"string", EncodingOptions::OtherTypes::string},
                                                {"unsupported", EncodingOptions::OtherTypes::unsupported}});
     }},
    {"non_finite_numbers", "", "text", "null", "NaN and infinities: `null`, or `string`",
     [](Config& c, const Reader& v) {
       c.values.non_finite_numbers = v.one_of(Choices<EncodingOptions::NonFinite>{
           {"null", EncodingOptions::NonFinite::null}, {"string", EncodingOptions::NonFinite::string}});
     }},
    {"out_of_range_dates", "", "text", "clamp",
     "dates before year 1 or after 9999, and infinity: `clamp`, `null`, `string` or `error`",
     [](Config& c, const Reader& v) {
       c.values.out_of_range_dates =
           v.one_of(Choices<EncodingOptions::OutOfRange>{{"clamp", EncodingOptions::OutOfRange::clamp},
                                                         {"null", EncodingOptions::OutOfRange::null},
                                                         {"string", EncodingOptions::OutOfRange::string},
                                                         {"error", EncodingOptions::OutOfRange::error}});
     }},
    {"limit", "max_record_count", "integer", "0",
     "rows of one incremental run, ties of the last included; 0: all", set_limit},
    {"replication_key_lookback", "", "number", "0",
     "incremental: re-read so much below the bookmark (seconds, or a number) for rows that were committed "
     "late",
     [](Config& c, const Reader& v) { c.replication_key_lookback = v.amount(); }},
    {"replication_slot", "replication_slot_name", "text", "",
     "log based: slot to read; else `stitch_<dbname>`, then `stitch`",
     [](Config& c, const Reader& v) { c.log.slot = v.text(); }},
    {"create_replication_slot", "", "boolean", "false", "log based: make the slot if it is missing",
     [](Config& c, const Reader& v) { c.log.create_slot = v.flag(); }},
    {"logical_decoding_plugin", "", "text", "auto",
     "log based: `wal2json`, or `auto`, which follows the slot",
     [](Config& /*c*/, const Reader& v) { v.one_of(Choices<int>{{"auto", 0}, {"wal2json", 0}}); }},
    {"wal2json_message_format", "", "text", "2",
     "log based: `1` for a wal2json that does not know format 2; it does not tell of TRUNCATE",
     [](Config& c, const Reader& v) {
       using Format = LogSettings::Format;
       c.log.format = v.one_of(Choices<Format>{{"1", Format::v1}, {"2", Format::v2}, {"", Format::newest}});
     }},
    {"break_at_end_lsn", "", "boolean", "true", "log based: false follows the log for ever",
     [](Config& c, const Reader& v) { c.log.stop_at_end = v.flag(); }},
    {"max_run_seconds", "replication_max_run_seconds", "number", "0",
     "log based: end after so long, at the next commit; 0: no limit",
     [](Config& c, const Reader& v) { c.log.max_run = duration(v); }},
    {"logical_poll_total_seconds", "replication_idle_exit_seconds", "number", "0",
     "log based: end when no change has come for so long; 0: no limit",
     [](Config& c, const Reader& v) { c.log.max_idle = duration(v); }},
    {"unsent_columns", "", "text", "fetch",
     "log based: large columns that an update leaves as they are, which the log does not have: `fetch` "
     "reads "
     "them from the table, `omit` leaves them out",
     [](Config& c, const Reader& v) {
       c.log.fetch_unsent = v.one_of(Choices<bool>{{"fetch", true}, {"omit", false}});
     }},
    {"debug_lsn", "", "boolean", "false", "log based: records have `_sdc_lsn`",
     [](Config& c, const Reader& v) { c.log.lsn_column = v.flag(); }},
    {"record_sequence", "", "boolean", "false",
     "log based: RECORDs have a growing `sequence`, for targets that order by it",
     [](Config& c, const Reader& v) { c.log.sequence = v.flag(); }},
    {"tap_id", "", "text", "",
     "log based: the slot is `pipelinewise_<dbname>[_<tap_id>]`, and streams take new columns",
     [](Config& c, const Reader& v) { c.log.tap_id = v.text(); }},
    {"max_retries", "", "integer", "5",
     "attempts after transient faults that do not advance the bookmark, with growing waits between",
     [](Config& c, const Reader& v) {
       c.max_retries = static_cast<unsigned>(std::min<std::uint64_t>(v.count(), 1000));
     }},
    {"state_every_seconds", "", "number", "5",
     "write STATE at least this often, or by rows, whichever is first",
     [](Config& c, const Reader& v) { c.state_every_time = std::chrono::duration<double>(v.amount()); }},
    {"state_every_rows", "", "integer", "100000", "write STATE after this many rows at the latest",
     [](Config& c, const Reader& v) {
       c.state_every_rows = v.count();
       if (c.state_every_rows == 0) {
         v.fail("1 or more");
       }
     }},
});

constexpr auto kWithoutEffect = std::to_array<std::string_view>(
    {"itersize", "frequency_in_minutes", "stream_maps", "stream_map_config", "faker_config",
     "flattening_enabled", "flattening_max_depth", "batch_config", "dates_as_string", "ssl_storage_directory",
     "log_based_single_connection", "auto_bootstrap_log_based", "emit_activate_version_messages"});

/// As the other taps take them: what is off, or empty, is not asked for.
bool is_filled(const Json& value) {
  const bool blank = value.is_string() && value.get_ref<const std::string&>().empty();
  return !value.empty() && !blank && value != false;
}

constexpr auto kMissing = std::to_array<MissingSetting>({
    {"stream_options", is_filled, ""},
});

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

std::span<const MissingSetting> missing_settings() {
  return kMissing;
}

std::span<const std::string_view> keys_without_effect() {
  return kWithoutEffect;
}

}  // namespace tap::config
