#!/bin/sh
# Runs in the container that becomes the node image: unpack the images on stdin into containerd's store.
# Every image has one layer, since an overlay cannot be mounted on the overlay that this container stands on.
set -eu
containerd > /var/log/import-containerd.log 2>&1 &
containerd_pid=$!
tries=0
until ctr version > /dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ] || { cat /var/log/import-containerd.log; exit 1; }
  sleep 0.2
done
ctr --namespace k8s.io images import -
# Once unpacked, the layers' tarballs only double the size of every node.
ctr --namespace k8s.io content ls | awk '/containerd.io\/uncompressed/ { print $1 }' \
  | xargs -r ctr --namespace k8s.io content rm > /dev/null
# Deleting a lease with --sync is the way to wait for the collection of what was just removed.
ctr --namespace k8s.io leases create --id collect > /dev/null
ctr --namespace k8s.io leases delete --sync collect > /dev/null
du -sh /var/lib/containerd/*
ctr --namespace k8s.io images ls -q
kill "$containerd_pid"
wait "$containerd_pid" || true
rm -f /var/log/import-containerd.log
