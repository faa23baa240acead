#!/bin/sh
# The last steps on the way to a guest's init: called by machine.py as process 1 of new namespaces.
#
#   enter.sh ROOT CONSOLE NAME CGROUPS INIT [ARGUMENT ...]
#
# ROOT: the mounted overlay. CONSOLE: the file that gets what the guest writes to its console. CGROUPS: a file with
# a line `TYPE OPTIONS FOLDER` for each hierarchy. It says "ready" on standard output and goes on when it has read a
# line from standard input.

set -eu

root=$1 console=$2 name=$3 cgroups=$4
shift 4

cd -- "$root"

mount -t proc -o nosuid,nodev,noexec proc proc
# The guest's sysctl settings would change the machine itself.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
[ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys

mount -t tmpfs -o mode=755,nosuid tmpfs dev
for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
: >dev/console
mount --bind "$console" dev/console

mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp

mount_cgroups() {
    while read -r type options folder; do
        [ "$folder" = . ] || {
            mountpoint -q sys/fs/cgroup || mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
            mkdir "sys/fs/cgroup/$folder"
        }
        mount -t "$type" -o "$options" "$type" "sys/fs/cgroup/$folder"
    done
}
mount_cgroups <"$cgroups"

hostname "$name"
ip link set lo up 2>/dev/null || true

echo ready
read -r _

mkdir -p .outside
pivot_root . .outside
cd /
umount -l /.outside
rmdir /.outside
# LoadCredential= and others expect it.
mount --make-rshared /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=taskserver-test TERM=linux "$@" \
    </dev/null >/dev/console 2>&1
