#!/usr/bin/env bash
# Kueue v0.17.0 with Kubernetes v1.37.2: if a user resumes a Job that Kueue has not admitted, all
# its pods are made before Kueue suspends it again.
#
# Guessed before it was run: the webhook of Kueue lets the resume through, and Kueue suspends the Job
# again, in most runs before there are pods.
#
# What happened: the guess about pods was wrong. All 3 pods were made in each of 5 rounds, and
# deleted a moment later. The Job controller is faster as a rule.
source "$(dirname "$0")/cluster.bash"

start_cluster 23801 23802 23803
start_kueue 23804 ''
make_queue team 0
for round in 1 2 3 4 5; do
  make_job "waits-$round" '{"kueue.x-k8s.io/queue-name": "team"}' 3 3
  await has "False Pending" workload "waits-$round" QuotaReserved
  expect "pods before" "$(pods_made "waits-$round")" 0
  kubectl patch job "waits-$round" --type=merge -p '{"spec": {"suspend": false}}'
  await has 3 pods_made "waits-$round"
  await has true job "waits-$round" .spec.suspend
  await has "" kubectl get pods -l "job-name=waits-$round" -o name
  expect "pods made, and deleted again" "$(pods_made "waits-$round")" 3
done
