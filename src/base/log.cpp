// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdio>
#include <memory>

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <tap/base/json.hpp>
#include <tap/base/log.hpp>
#include <tap/base/printable.hpp>

namespace tap::log {

namespace {

bool terminal = false;  // people see the lines as they come
bool shown = false;     // the last line is one of show()

constexpr const char* kClearLine = "\r\033[K";

/// Level names as Singer's other taps write them, so that log filters go on working.
class LevelName : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    constexpr std::array<std::string_view, 7> names = {"DEBUG", "DEBUG",    "INFO", "WARNING",
                                                       "ERROR", "CRITICAL", ""};
    const std::string_view name = names.at(static_cast<std::size_t>(message.level));
    out.append(name.data(), name.data() + name.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelName>();
  }
};

std::string printable_message(const spdlog::details::log_msg& message) {
  return printable({message.payload.data(), message.payload.size()});
}

/// The message on one line.
class OneLine : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    const std::string text = printable_message(message);
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
  }
};

/// The message as a JSON string.
class JsonString : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    Buffer text;
    append_json_string(text, printable_message(message));
    out.append(text.view().data(), text.view().data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonString>();
  }
};

spdlog::level::level_enum to_spdlog(Level level) {
  constexpr std::array levels = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                 spdlog::level::err, spdlog::level::critical};
  return levels.at(static_cast<std::size_t>(level));
}

}  // namespace

void start() {
  if (fcntl(STDERR_FILENO, F_GETFD) < 0) {  // the connection would get its number, and our lines
    const int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere != STDERR_FILENO) {
      dup2(nowhere, STDERR_FILENO);
      close(nowhere);
    }
  }
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelName>('N').add_flag<OneLine>('M').set_pattern("%N %M");
  auto logger = std::make_shared<spdlog::logger>("tap", std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
  terminal = isatty(STDERR_FILENO) != 0;
}

void set_level(Level least) {
  spdlog::set_level(to_spdlog(least));
}

void use_json() {
  terminal = false;
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelName>('N').add_flag<JsonString>('J').set_pattern(
      R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%N","message":%J})");
  spdlog::default_logger()->set_formatter(std::move(formatter));
}

bool is_on(Level level) {
  return spdlog::should_log(to_spdlog(level));
}

bool is_on_terminal() {
  return terminal;
}

void show(std::string_view line) {
  if (terminal && is_on(Level::info)) {
    fmt::print(stderr, "{}{}", kClearLine, printable(line));
    std::fflush(stderr);
    shown = true;
  }
}

void write(Level level, std::string_view message) {
  if (shown && is_on(level)) {
    fmt::print(stderr, "{}", kClearLine);
    shown = false;
  }
  spdlog::log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace tap::log
