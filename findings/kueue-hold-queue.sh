#!/usr/bin/env bash
# Kueue v0.17.0 with Kubernetes v1.37.2: a Job in a queue that does not exist stays suspended in
# every configuration, and its pods are never made. One merge patch of the label lets it run.
#
# Guessed before it was run: the Job stays suspended. A LocalQueue named "default" does not change
# that, because it is only for Jobs that name no queue.
#
# What happened: as guessed. The Workload says "False Inadmissible", the Job without a queue runs in
# "default" meanwhile, and after the patch the held Job makes its pods.
source "$(dirname "$0")/cluster.bash"

hold='{"kueue.x-k8s.io/queue-name": "no-such-queue"}'
start_cluster 23791 23792 23793
start_kueue 23794 '"manageJobsWithoutQueueName": true, "managedJobsNamespaceSelector":
  {"matchLabels": {"kubernetes.io/metadata.name": "default"}}'
make_queue default 8

make_job held "$hold" 2 2
await has "False Inadmissible" workload held QuotaReserved
make_job plain '{}' 2 2
await has false job plain .spec.suspend
expect "the job without a queue is put in" \
  "$(job plain '.metadata.labels.kueue\.x-k8s\.io/queue-name')" default
expect "the job in no queue is suspended" "$(job held .spec.suspend)" true
expect "its pods" "$(pods_made held)" 0

kubectl patch job held --type=merge \
  -p '{"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "default"}}}'
await has false job held .spec.suspend
await has 2 pods_made held
expect "pods after it was given a queue" "$(pods_made held)" 2
