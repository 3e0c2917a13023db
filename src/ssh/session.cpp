// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <tap/base/file.hpp>
#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/base/text.hpp>

#include "socket.hpp"

namespace tap::ssh {

namespace {

using std::chrono::milliseconds;

/// Ciphers with processor support first: they cost half of what others do.
constexpr const char* kCiphers =
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,"
    "aes256-ctr";

std::string current_user() {
  const passwd* const account = getpwuid(getuid());
  return account != nullptr ? account->pw_name : "";
}

/// The login methods that a server offers, by the names of RFC 4252.
std::string method_names(int methods) {
  std::string names;
  for (const auto& [method, name] : {std::pair(SSH_AUTH_METHOD_PUBLICKEY, "publickey"),
                                     {SSH_AUTH_METHOD_PASSWORD, "password"},
                                     {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive"},
                                     {SSH_AUTH_METHOD_HOSTBASED, "hostbased"},
                                     {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic"}}) {
    if ((static_cast<unsigned>(methods) & static_cast<unsigned>(method)) != 0) {
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
  }
  return names.empty() ? "nothing" : names;
}

/// Connects to the first address of `host` that answers. `wait` waits until the socket is writable. Without a
/// connection, `why` says what the last attempt failed with.
template <class Wait>
Socket connect_tcp(const std::string& host, std::uint16_t port, Wait wait, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    why = gai_strerror(error);
    return Socket();
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Socket tried(socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int error = 0;
    if (connect(tried.number(), address->ai_addr, address->ai_addrlen) != 0) {
      error = errno;
      if (error == EINPROGRESS) {
        wait(tried.number());
        socklen_t size = sizeof error;
        getsockopt(tried.number(), SOL_SOCKET, SO_ERROR, &error, &size);
      }
    }
    if (error == 0) {
      return tried;
    }
    why = std::strerror(error);
  }
  return Socket();
}

}  // namespace

SshSession::SshSession(const TunnelOptions& options, std::chrono::seconds timeout)
    : options_(options),
      user_(options.username.empty() ? current_user() : options.username),
      timeout_(timeout),
      key_(options.private_key.empty() ? SshKey(nullptr, ssh_key_free) : read_private_key(options)),
      session_(nullptr, ssh_free) {
  if (user_.empty()) {
    throw_tunnel_error("this process has no user name: set ssh_tunnel.username", false);
  }
  if (timeout.count() > 0) {
    deadline_ = Clock::now() + timeout;
  }
  std::string first_problem;
  for (const std::string& algorithms : host_key_algorithms(options_)) {
    const std::string problem = connect(algorithms);
    if (problem.empty()) {
      log_in();
      log::debug("SSH tunnel through {}:{}: {}, {}", options_.host, options_.port, ssh_get_cipher_in(get()),
                 ssh_get_kex_algo(get()));
      return;
    }
    first_problem = first_problem.empty() ? problem : first_problem;
  }
  throw_tunnel_error(first_problem, false);
}

void SshSession::configure(const std::string& host_key_algorithms) const {
  ssh_session const session = get();
  const bool no = false;
  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no);  // it may name programs to run
  ssh_options_set(session, SSH_OPTIONS_HOST, options_.host.c_str());
  const unsigned port = options_.port;
  ssh_options_set(session, SSH_OPTIONS_PORT, &port);
  ssh_options_set(session, SSH_OPTIONS_USER, user_.c_str());
  // Without it, libssh refuses to work for a user without an account, as in many containers.
  ssh_options_set(session, SSH_OPTIONS_SSH_DIR, expand_home("~/.ssh").c_str());
  ssh_options_set(session, SSH_OPTIONS_CIPHERS_C_S, kCiphers);
  ssh_options_set(session, SSH_OPTIONS_CIPHERS_S_C, kCiphers);
  if (!options_.known_hosts.empty()) {
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, expand_home(options_.known_hosts).c_str());
  }
  if (!host_key_algorithms.empty()) {
    ssh_options_set(session, SSH_OPTIONS_HOSTKEYS, host_key_algorithms.c_str());
  }
  ssh_set_blocking(session, 0);
}

std::string SshSession::connect(const std::string& host_key_algorithms) {
  session_.reset(ssh_new());
  configure(host_key_algorithms);
  const auto wait_to_write = [this](int socket) {
    if (!signals::wait_until_ready(socket, signals::Readiness::writable, time_left())) {
      throw_no_answer();
    }
  };
  std::string why;
  Socket socket = connect_tcp(options_.host, options_.port, wait_to_write, why);
  if (!socket) {
    throw_tunnel_error(why, true);
  }
  const int on = 1;
  setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int number = socket.release();  // libssh closes it
  ssh_options_set(get(), SSH_OPTIONS_FD, &number);
  if (poll(SSH_AGAIN, [this] { return ssh_connect(get()); }) != SSH_OK) {
    std::string error = collapse_whitespace(ssh_get_error(get()));
    if (error.find("kex error") != std::string::npos) {  // no algorithm in common
      return error;
    }
    throw_tunnel_error(error, true);
  }
  fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK);  // libssh makes it blocking
  return check_host_key(options_, get());
}

template <class Step>
int SshSession::poll(int again, Step step) {
  int outcome = step();
  while (outcome == again) {
    const milliseconds left = time_left();
    const bool writes = (static_cast<unsigned>(ssh_get_poll_flags(get())) & SSH_WRITE_PENDING) != 0;
    signals::wait_until_ready(ssh_get_fd(get()),
                              writes ? signals::Readiness::writable : signals::Readiness::readable, left);
    outcome = step();
  }
  return outcome;
}

bool SshSession::is_logged_in(int outcome) const {
  if (outcome == SSH_AUTH_ERROR) {
    throw_tunnel_error(collapse_whitespace(ssh_get_error(get())), true);
  }
  return outcome == SSH_AUTH_SUCCESS;
}

void SshSession::log_in() {
  if (is_logged_in(poll(SSH_AUTH_AGAIN, [this] { return ssh_userauth_none(get(), nullptr); }))) {
    return;
  }
  const char* const agent = std::getenv("SSH_AUTH_SOCK");
  const bool has_agent = agent != nullptr && *agent != '\0';
  std::string tried;
  const auto note_attempt = [&tried](const char* what) {
    tried += (tried.empty() ? "" : " and ") + std::string(what);
  };
  if (key_) {
    note_attempt("ssh_tunnel.private_key");
    if (log_in_by_key()) {
      return;
    }
  } else if (has_agent) {
    note_attempt("the SSH agent's keys");
    if (log_in_by_agent()) {
      return;
    }
  }
  if (!options_.password.empty()) {
    note_attempt("ssh_tunnel.password");
    if (log_in_by_password()) {
      return;
    }
  }
  if (tried.empty()) {
    throw_tunnel_error(
        "no credentials: set ssh_tunnel.private_key or ssh_tunnel.password, or start an SSH agent", false);
  }
  throw_tunnel_error(fmt::format("login refused, tried {}; the server accepts {}", tried,
                                 method_names(ssh_userauth_list(get(), nullptr))),
                     false);
}

bool SshSession::log_in_by_key() {
  return is_logged_in(
      poll(SSH_AUTH_AGAIN, [this] { return ssh_userauth_publickey(get(), nullptr, key_.get()); }));
}

bool SshSession::log_in_by_agent() {
  return is_logged_in(poll(SSH_AUTH_AGAIN, [this] { return ssh_userauth_agent(get(), nullptr); }));
}

bool SshSession::log_in_by_password() {
  const auto methods = static_cast<unsigned>(ssh_userauth_list(get(), nullptr));
  const auto by_password = [this] {
    return ssh_userauth_password(get(), nullptr, options_.password.c_str());
  };
  if ((methods & SSH_AUTH_METHOD_PASSWORD) != 0 && is_logged_in(poll(SSH_AUTH_AGAIN, by_password))) {
    return true;
  }
  return (methods & SSH_AUTH_METHOD_INTERACTIVE) != 0 && answer_questions();
}

/// Keyboard-interactive login: the password answers every question.
bool SshSession::answer_questions() {
  const auto ask = [this] { return ssh_userauth_kbdint(get(), nullptr, nullptr); };
  int outcome = poll(SSH_AUTH_AGAIN, ask);
  while (outcome == SSH_AUTH_INFO) {
    const int questions = ssh_userauth_kbdint_getnprompts(get());
    for (int i = 0; i < questions; ++i) {
      ssh_userauth_kbdint_setanswer(get(), static_cast<unsigned>(i), options_.password.c_str());
    }
    outcome = poll(SSH_AUTH_AGAIN, ask);
  }
  return is_logged_in(outcome);
}

milliseconds SshSession::time_left() const {
  if (!deadline_) {
    return milliseconds(-1);
  }
  const auto left = std::chrono::ceil<milliseconds>(*deadline_ - Clock::now());
  if (left.count() <= 0) {
    throw_no_answer();
  }
  return left;
}

void SshSession::throw_no_answer() const {
  throw_tunnel_error(fmt::format("no answer in {} seconds", timeout_.count()), true);
}

void SshSession::throw_tunnel_error(const std::string& why, bool is_transient) const {
  throw TunnelError(fmt::format("cannot open the SSH tunnel ({}:{}, user {}): {}", options_.host,
                                options_.port, user_, why),
                    is_transient);
}

}  // namespace tap::ssh
