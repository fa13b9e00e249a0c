#!/usr/bin/env bash
# The programs of the kernel's side that test/interop, test/differential and bench use, a C compiler and a browser, by apt.
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
need netstat net-tools
need tcpdump tcpdump
need python3 python3
need cc gcc
[ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
need chromium chromium

if [ ${#packages[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
