#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Second program of the machine that the guard is tried on, process 1 there: a few mounts,
# the modules of its kernel, and the scenes. What they print goes to files that the outside
# sees; the console is the kernel's alone.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 shm /dev/shm 2>/dev/null || { mkdir -p /dev/shm && mount -t tmpfs -o mode=1777 shm /dev/shm; }
mkdir -p /dev/pts && mount -t devpts -o ptmxmode=666 devpts /dev/pts
mkdir -p /mnt
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 results /mnt || echo "trial: no folder for results"

# TRIAL_modules, _python, _folder
# shellcheck disable=SC1091 # made for each run
. /mnt/env
# shellcheck disable=SC2154
mkdir -p /lib/modules && mount --bind "$TRIAL_modules" /lib/modules
for module in tun bridge veth; do
	modprobe "$module" || echo "trial: cannot load $module"
done
ip link set lo up

# shellcheck disable=SC2154
cd "$TRIAL_folder" || echo "trial: no scenes"
# shellcheck disable=SC2154
PYTHONDONTWRITEBYTECODE=1 "$TRIAL_python" -m pytest -v -p no:cacheprovider \
	--junitxml=/mnt/junit.xml tests/contract/test_guard_kernel.py >/mnt/scenes 2>&1
sync
echo o >/proc/sysrq-trigger
while :; do sleep 60; done
