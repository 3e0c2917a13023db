# Sourced by the other scripts: the distribution packages that each of them needs.

# Debian's own interpreter: the python3-* packages install for this one and no other.
python=/usr/bin/python3

build_packages=(build-essential cmake ninja-build pkg-config
  libpq-dev libpqxx-dev libssh-dev libsimdjson-dev nlohmann-json3-dev libcli11-dev libspdlog-dev)
server_packages=(postgresql python3 python3-psycopg2)
test_packages=(catch2 python3-jsonschema openssh-server openssl pgbouncer iproute2 groff-base)
# The tree is formatted and checked by this version; another one has other opinions.
clang_packages=(clang-format-14 clang-tidy-14)

# need_server: a PostgreSQL server, with the logical-decoding plugin of its version.
need_server() {
  need "${server_packages[@]}"
  local version
  version=$(ls -v /usr/lib/postgresql | tail -n 1)
  need "postgresql-$version-wal2json"
}

heading() {
  printf '\n== %s\n' "$*"
}

# need PACKAGE...: get those that are missing. Silent when there is nothing to do.
need() {
  command -v apt-get >/dev/null || return 0
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    echo "These packages are missing; as root: apt-get install ${missing[*]}" >&2
    return 1
  fi
  heading "Installing ${missing[*]}"
  apt-get update -qq
  forbid_main_cluster
  apt_install "${missing[@]}"
  # These packages start servers at boot; this machine should not.
  [[ " ${missing[*]} " != *" openssh-server "* ]] || switch_off ssh
  [[ " ${missing[*]} " != *" pgbouncer "* ]] || switch_off pgbouncer
}

# switch_off SERVICE: it does not come up with the machine.
switch_off() {
  if command -v systemctl >/dev/null; then
    systemctl disable "$1.service" "$1.socket" &>/dev/null || true
  fi
  update-rc.d "$1" disable &>/dev/null || true
}

# A PostgreSQL server package makes and starts a cluster of its own, on the standard port, unless this is said first.
# An answer that the administrator has given already stands.
forbid_main_cluster() {
  apt_install postgresql-common
  local conf=/etc/postgresql-common/createcluster.conf
  grep -q '^ *create_main_cluster' "$conf" || echo 'create_main_cluster = false' >>"$conf"
}

# Servers are for the tests to start: no package starts one of its own (Debian policy 9.3.3.2).
apt_install() {
  local policy=/usr/sbin/policy-rc.d
  if [[ -e $policy ]]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  local code=0
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null || code=$?
  rm -f "$policy"
  return "$code"
}
