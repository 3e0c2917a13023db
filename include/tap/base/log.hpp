// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

/// The log, on stderr: one line per message, whatever names and server messages it contains. Only log.cpp
/// includes spdlog's logger, which would make every other file slow to compile.
namespace tap::log {

enum class Level { debug, info, warning, error, critical };

enum class Format {
  text,       ///< `LEVEL message`
  json,       ///< an object with `time`, `level` and `message`
  singer_sdk  ///< an object with the fields of the Singer SDK's StructuredFormatter, which Meltano reads
};

/// Begins the message of a metric; its JSON follows. Format::singer_sdk writes it as `metric_info`.
inline constexpr std::string_view kMetric = "METRIC: ";

/// Sends the log to stderr as `LEVEL message` lines. Must be called before anything is logged: spdlog's
/// default is stdout, which is for Singer messages.
void initialize();

/// Drops messages below `minimum`.
void set_level(Level minimum);
/// Writes each later message in this format.
void set_format(Format format);
/// True if messages of `level` are written. Ask before building an expensive message.
bool is_enabled(Level level);

/// True if stderr is a terminal and the log is text.
bool is_on_terminal();
/// On a terminal, shows a line that the next status line or message overwrites; elsewhere does nothing.
void show_status(std::string_view line);

/// Writes one message, with its control characters escaped.
void write(Level level, std::string_view message);

/// Formats a message for write_signal_message(), with the current format and level.
void prepare_signal_message(Level level, std::string_view message);
/// Writes the prepared message, if any. Safe in a signal handler: takes no lock, allocates nothing, and drops
/// the message if stderr would block.
void write_signal_message() noexcept;

template <class... Args>
void debug(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::debug, fmt::format(message, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::info, fmt::format(message, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::warning, fmt::format(message, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::error, fmt::format(message, std::forward<Args>(args)...));
}
template <class... Args>
void critical(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::critical, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace tap::log
