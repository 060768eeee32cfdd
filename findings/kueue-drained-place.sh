#!/usr/bin/env bash
# Kueue v0.17.0 with Kubernetes v1.37.2: a Job that a stopped queue evicted (stopPolicy HoldAndDrain)
# loses its place. When the queue goes on, a younger Job is admitted before it.
#
# Guessed before it was run: the Job that ran is the older one, and so it is first when the queue goes
# on.
#
# What happened: the guess was wrong. In each of 5 rounds the younger Job was admitted, and the older
# one waited for quota. Its Workload still says that the queue is stopped: the condition Evicted stays
# True until the Job is admitted.
source "$(dirname "$0")/cluster.bash"

start_cluster 23831 23832 23833
start_kueue 23834 ''
for round in 1 2 3 4 5; do
  queue=team-$round
  make_queue "$queue" 2
  make_job "older-$round" "{\"kueue.x-k8s.io/queue-name\": \"$queue\"}" 2 4
  await has false job "older-$round" .spec.suspend
  await has 2 pods_made "older-$round"
  kubectl patch clusterqueue "$queue" --type=merge -p '{"spec": {"stopPolicy": "HoldAndDrain"}}'
  await has "True ClusterQueueStopped" workload "older-$round" Evicted
  await has true job "older-$round" .spec.suspend
  sleep 1
  make_job "younger-$round" "{\"kueue.x-k8s.io/queue-name\": \"$queue\"}" 2 4
  await has "False Inadmissible" workload "younger-$round" QuotaReserved
  kubectl patch clusterqueue "$queue" --type=merge -p '{"spec": {"stopPolicy": "None"}}'
  await has false job "younger-$round" .spec.suspend
  await has "False Pending" workload "older-$round" QuotaReserved
  expect "the older one is suspended" "$(job "older-$round" .spec.suspend)" true
  expect "why it was evicted" "$(workload "older-$round" Evicted)" "True ClusterQueueStopped"
done
