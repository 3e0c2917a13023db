// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

/// What the tap says to people, on stderr: one line a message, whatever names and server's words are in it.
/// spdlog stays behind this: its templates would be compiled again in every file.
namespace tap::log {

enum class Level { debug, info, warning, error, critical };

/// Sends the log to stderr as `LEVEL message` lines. stdout is the target's: nothing may be logged before
/// this.
void start();

/// Messages below it are dropped.
void set_level(Level least);
/// From now on each line is a JSON object with `time`, `level` and `message`.
void use_json();
/// True if messages of that level are written: for those that cost something to make.
bool is_on(Level level);

/// True if somebody looks at stderr: it is a terminal, with lines for people.
bool is_on_terminal();
/// On a terminal: a line that the next one, or the next message, takes the place of.
void show(std::string_view line);

void write(Level level, std::string_view message);

/// Keeps a message for write_last_line(), in the format and above the level that are set now.
void prepare_last_line(Level level, std::string_view message);
/// Writes the kept message. For signal handlers: it takes no lock and no memory, and drops the message where
/// stderr would block.
void write_last_line() noexcept;

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
