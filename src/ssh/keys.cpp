// SPDX-License-Identifier: Apache-2.0
#include "keys.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/log.hpp>

namespace tap::ssh {

namespace {

constexpr const char* kRsa = "rsa-sha2-512,rsa-sha2-256";

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

[[noreturn]] void throw_unusable_key(const char* why) {
  throw TunnelError(fmt::format("ssh_tunnel.private_key {}", why), false);
}

/// Does not show a path that cannot be read: it may be a key without its first line.
std::string read_key_file(const std::string& path) {
  try {
    return read_file(expand_home(path));
  } catch (const Error&) {
    throw_unusable_key("is neither the text of a private key nor the path of a file that can be read");
  }
}

/// The text of a key or of its file. A key from an environment variable may lack the last newline, or have
/// the two characters \n for each newline.
std::string key_text(const std::string& key) {
  const bool is_text = key.find("-----BEGIN") != std::string::npos;
  std::string text = replace_all(is_text ? key : read_key_file(key), "\r\n", "\n");
  if (text.find('\n') == text.rfind('\n')) {
    text = replace_all(std::move(text), "\\n", "\n");
  }
  return text + "\n";
}

/// Called by libssh if the key is encrypted; sets the bool at `is_encrypted`.
int note_encryption(const char* /*prompt*/, char* /*answer*/, std::size_t /*size*/, int /*echo*/,
                    int /*verify*/, void* is_encrypted) {
  *static_cast<bool*>(is_encrypted) = true;
  return SSH_ERROR;
}

SshKey host_key_of(ssh_session session) {
  ssh_key key = nullptr;
  ssh_get_server_publickey(session, &key);
  return {key, ssh_key_free};
}

std::string fingerprint(ssh_key key) {
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != 0) {
    return "";
  }
  const std::unique_ptr<char, void (*)(char*)> text(
      ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size), ssh_string_free_char);
  ssh_clean_pubkey_hash(&hash);
  return text ? text.get() : "";
}

/// The key in a line of a .pub file, like `ssh-ed25519 AAAA... comment`; null for other text.
SshKey parse_public_key(const std::string& line) {
  const auto blank = line.find(' ');
  ssh_key key = nullptr;
  if (blank != std::string::npos) {
    const std::string encoded = line.substr(blank + 1, line.find(' ', blank + 1) - blank - 1);
    const ssh_keytypes_e type = ssh_key_type_from_name(line.substr(0, blank).c_str());
    ssh_pki_import_pubkey_base64(encoded.c_str(), type, &key);
  }
  return {key, ssh_key_free};
}

bool is_fingerprint(const std::string& text) {
  return text.compare(0, 7, "SHA256:") == 0;
}

std::string without_padding(const std::string& fingerprint) {
  return fingerprint.substr(0, fingerprint.find('='));
}

}  // namespace

SshKey read_private_key(const TunnelOptions& options) {
  const std::string text = key_text(options.private_key);
  ssh_key key = nullptr;
  bool is_encrypted = false;
  if (ssh_pki_import_privkey_base64(text.c_str(), nullptr, note_encryption, &is_encrypted, &key) != SSH_OK &&
      is_encrypted) {
    if (options.private_key_password.empty()) {
      throw_unusable_key("is encrypted: set ssh_tunnel.private_key_password");
    }
    ssh_pki_import_privkey_base64(text.c_str(), options.private_key_password.c_str(), nullptr, nullptr, &key);
  }
  if (key == nullptr) {
    throw_unusable_key(is_encrypted ? "cannot be decrypted: check ssh_tunnel.private_key_password"
                                    : "is not a private key: give the text of one, or the path of its file");
  }
  return {key, ssh_key_free};
}

std::vector<std::string> host_key_algorithms(const TunnelOptions& options) {
  constexpr const char* ecdsa = "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";
  if (options.host_key.empty() || options.host_key == "any") {
    return {""};
  }
  if (is_fingerprint(options.host_key)) {
    return {"", "ssh-ed25519", ecdsa, kRsa};
  }
  const SshKey key = parse_public_key(options.host_key);
  if (!key) {
    throw Error(ExitCode::usage, "ssh_tunnel.host_key is neither a fingerprint nor a public key");
  }
  return {ssh_key_type(key.get()) == SSH_KEYTYPE_RSA
              ? kRsa
              : options.host_key.substr(0, options.host_key.find(' '))};
}

std::string check_host_key(const TunnelOptions& options, ssh_session session) {
  const SshKey key = host_key_of(session);
  const std::string presented =
      fmt::format("{} ({})", fingerprint(key.get()), ssh_key_type_to_char(ssh_key_type(key.get())));
  if (options.host_key == "any") {
    log::warn("the host key of SSH server {}:{} is not checked because ssh_tunnel.host_key is \"any\": {}",
              options.host, options.port, presented);
    return "";
  }
  if (!options.host_key.empty()) {
    const bool matches =
        is_fingerprint(options.host_key)
            ? without_padding(options.host_key) == fingerprint(key.get())
            : ssh_key_cmp(parse_public_key(options.host_key).get(), key.get(), SSH_KEY_CMP_PUBLIC) == 0;
    return matches
               ? ""
               : fmt::format(
                     "the host key does not match ssh_tunnel.host_key: the server presents {}; someone may "
                     "be intercepting the connection, or the server has a new key",
                     presented);
  }
  const std::string file = options.known_hosts.empty() ? "~/.ssh/known_hosts" : options.known_hosts;
  switch (ssh_session_is_known_server(session)) {
    case SSH_KNOWN_HOSTS_OK:
      return "";
    case SSH_KNOWN_HOSTS_CHANGED:
    case SSH_KNOWN_HOSTS_OTHER:
      return fmt::format(
          "the host key has changed: it is now {}, not the key in {}; someone may be intercepting the "
          "connection. If the administrator of the server confirms the new key, replace it there",
          presented, file);
    default:
      return fmt::format(
          "the host key is not known: {}; add it to {} or set ssh_tunnel.host_key to that fingerprint",
          presented, file);
  }
}

}  // namespace tap::ssh
