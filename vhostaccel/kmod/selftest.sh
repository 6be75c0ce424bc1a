#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Second program of the machine that runs the kernel's selftests, process 1 there: a few
# mounts, the modules, the tests one after the other. What they print goes to files that
# the outside sees; the console is the kernel's alone.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns
mount -t tmpfs -o mode=1777 shm /dev/shm 2>/dev/null || { mkdir -p /dev/shm && mount -t tmpfs -o mode=1777 shm /dev/shm; }
mkdir -p /dev/pts && mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mkdir -p /mnt
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 results /mnt || echo "selftest: no folder for results"

# SELFTEST_modules, _own, _folder, _programs, and what the tests read.
# shellcheck disable=SC1091 # made for each run
. /mnt/env
# shellcheck disable=SC2154
mkdir -p /lib/modules && mount --bind "$SELFTEST_modules" /lib/modules

# A plain kernel does not say when a task hangs for less than two minutes.
echo 30 >/proc/sys/kernel/hung_task_timeout_secs 2>/dev/null
# What ends a lease waits for all CPUs; ten thousand times over that adds up.
echo 1 >/sys/kernel/rcu_expedited
ip link set lo up
hostname selftest

load() {
	# shellcheck disable=SC2154
	if [ -z "$SELFTEST_own" ]; then
		modprobe "$1"
		return
	fi
	for needed in $(modinfo -F depends "$SELFTEST_own/$1.ko" | tr , ' '); do
		[ -e "$SELFTEST_own/$needed.ko" ] || modprobe "$needed"
	done
	insmod "$SELFTEST_own/$1.ko"
}

modprobe bridge
for module in nai tun vhost_net naisim; do
	load "$module" || echo "selftest: cannot load $module"
done
# One NIC for the tests, and one at the other end of its cable.
# shellcheck disable=SC2154
if [ -n "$NETIF" ]; then
	load igb || echo "selftest: cannot load igb"
	ip netns add "$REMOTE_ARGS"
	ip link set "$SELFTEST_peer" netns "$REMOTE_ARGS" || echo "selftest: no second NIC"
	ip -n "$REMOTE_ARGS" addr add "$REMOTE_V4/24" dev "$SELFTEST_peer"
	ip -n "$REMOTE_ARGS" link set "$SELFTEST_peer" addrgenmode none
	ip -n "$REMOTE_ARGS" link set "$SELFTEST_peer" up
	ip addr add "$LOCAL_V4/24" dev "$NETIF"
	ip link set "$NETIF" up
fi

# shellcheck disable=SC2154
cd "$SELFTEST_folder" || echo "selftest: no tests"
# shellcheck disable=SC2154
for program in $SELFTEST_programs; do
	# One of them unloads it.
	[ -d /sys/module/naisim ] || load naisim
	echo "selftest: $program begins" >/dev/kmsg
	PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 "./$program" >"/mnt/$program.ktap" 2>&1
	echo "$program $?" >>/mnt/status
done
sync

if [ -d /sys/kernel/debug/gcov ]; then
	(cd /sys/kernel/debug/gcov && find . -name '*.gcda' | while read -r file; do
		mkdir -p "/mnt/gcov/${file%/*}" && cat "$file" >"/mnt/gcov/$file"
	done)
fi
leaks=/sys/kernel/debug/kmemleak
[ ! -e "$leaks" ] || { echo scan >"$leaks"; sleep 6; echo scan >"$leaks"; cat "$leaks" >/mnt/leaks; }
echo "done" >>/mnt/status
sync
echo o >/proc/sysrq-trigger
while :; do sleep 60; done
