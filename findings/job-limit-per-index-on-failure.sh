#!/usr/bin/env bash
# Kubernetes v1.37.2: a Job with backoffLimitPerIndex and restartPolicy OnFailure is accepted, and has
# no limit at all.
#
# Guessed before it was run: the server refuses it, because the documentation of the field says that it
# can only be set if the restart policy is Never. Or else the restarts of the containers of an index
# count, and fail the index.
#
# What happened: both guesses were wrong. There is not even a warning. The kubelet restarts a container
# that fails in the same pod, so no pod fails and no index does, and the default of backoffLimit is
# 2147483647 because of the other limit. The Job below goes on after 100 restarts in each index, where
# its author asked for 1. A Job that has backoffLimit alone fails at once. Whoever writes the field for
# a Job of OnFailure pays for a loop without end.
source "$(dirname "$0")/cluster.bash"

# Makes a Job of two indexes, with further JSON of its spec.
make_indexed() {
  kubectl create -f - 2>&1 <<JOB
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "$1"},
 "spec": {"completionMode": "Indexed", "parallelism": 2, "completions": 2, $2,
  "template": {"spec": {"restartPolicy": "OnFailure",
   "containers": [{"name": "main", "image": "busybox"}]}}}}
JOB
}

# Does what a kubelet does when a container has failed a hundred times.
fail_often() {
  local pod
  for pod in $(kubectl get pods -l "batch.kubernetes.io/job-name=$1" -o name); do
    kubectl patch "$pod" --subresource=status --type=merge -p '{"status": {"phase": "Running",
      "containerStatuses": [{"name": "main", "image": "busybox", "imageID": "", "ready": false,
      "restartCount": 100, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
      "lastState": {"terminated": {"exitCode": 1}}}]}}'
  done
}

start_cluster 23871 23872 23873

expect "what the server says" "$(make_indexed per-index '"backoffLimitPerIndex": 1')" \
  "job.batch/per-index created"
make_indexed whole '"backoffLimit": 1'
await has 2 pods_made per-index
await has 2 pods_made whole
fail_often per-index
fail_often whole
await has BackoffLimitExceeded job whole '.status.conditions[?(@.type=="Failed")].reason'
sleep 5
expect "active, failed, failed indexes" \
  "$(job per-index .status.active),$(job per-index .status.failed),$(job per-index .status.failedIndexes)" \
  "2,,"
expect "its backoffLimit" "$(job per-index .spec.backoffLimit)" 2147483647
