#!/usr/bin/env bash
# The programs of the kernel's side that test/interop and bench/tap.ts use, by apt.
set -euo pipefail

packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
need ip iproute2
need ping iputils-ping
need curl curl
need nc netcat-openbsd
need socat socat
need traceroute traceroute
need tshark tshark
need iperf3 iperf3
need sysctl procps

if [ ${#packages[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
