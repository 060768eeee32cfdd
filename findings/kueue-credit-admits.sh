#!/usr/bin/env bash
# Kueue v0.17.0 with Kubernetes v1.37.2: raising status.succeeded of a Job that waits for quota gets
# it admitted, once what is left needs no more pods than there is room for.
#
# Guessed before it was run: Kueue leaves a Job alone whose status somebody else writes. The Job goes
# on waiting with the size that it was queued with.
#
# What happened: the guess was wrong. Kueue counts the completions that are done as reclaimable pods
# of the Workload, also while it waits. The Job was admitted at once, and ran what was left.
source "$(dirname "$0")/cluster.bash"

start_cluster 23811 23812 23813
start_kueue 23814 ''
make_queue team 4
make_job waits '{"kueue.x-k8s.io/queue-name": "team"}' 6 8
await has "False Pending" workload waits QuotaReserved
expect "the job is suspended" "$(job waits .spec.suspend)" true
kubectl patch job waits --subresource=status --type=merge -p '{"status": {"succeeded": 5}}'
await has false job waits .spec.suspend
await has 3 pods_made waits
expect "pods for what is left" "$(pods_made waits)" 3
