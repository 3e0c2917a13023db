// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <tap/base/log.hpp>

namespace tap::log {

namespace {

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

/// The message on one line, whatever names and server's words are in it.
class OneLine : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    for (const char c : message.payload) {
      const std::string_view text = c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string_view(&c, 1);
      out.append(text.data(), text.data() + text.size());
    }
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
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
}

void set_level(Level least) {
  spdlog::set_level(to_spdlog(least));
}

void write(Level level, std::string_view message) {
  spdlog::log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace tap::log
