#!/usr/bin/env bash
# Kueue v0.17.0 with Kubernetes v1.37.2: a Job whose Workload was deactivated gets no new Workload by
# other fields. It can be given another queue and another parallelism, and be put back: it is not
# admitted before spec.active of the Workload is set again.
#
# Guessed before it was run: a change of parallelism makes Kueue drop the Workload and make a new
# one, as it does with an admitted Job. The new one is active, so that a hold and a release start the
# Job again.
#
# What happened: the guess was wrong. A Workload that is not admitted is updated in place, and stays
# deactivated. Its message about the queue is not even renewed: it names the queue that the Job has
# left.
source "$(dirname "$0")/cluster.bash"

# The uid of the Workload of a Job.
workload_uid() {
  kubectl get workloads -l "kueue.x-k8s.io/job-uid=$(job "$1" .metadata.uid)" \
    -o 'jsonpath={.items[*].metadata.uid}'
}

# Sets spec.active of the Workload of a Job.
activate() {
  local name
  name=$(kubectl get workloads -l "kueue.x-k8s.io/job-uid=$(job "$1" .metadata.uid)" -o name)
  kubectl patch "$name" --type=merge -p "{\"spec\": {\"active\": $2}}"
}

# Puts a Job in a queue, with this parallelism, suspended.
put() {
  kubectl patch job "$1" --type=merge -p "{\"metadata\": {\"labels\":
    {\"kueue.x-k8s.io/queue-name\": \"$2\"}}, \"spec\": {\"suspend\": true, \"parallelism\": $3}}"
}

start_cluster 23821 23822 23823
start_kueue 23824 ''
make_queue team 4
make_job runs '{"kueue.x-k8s.io/queue-name": "team"}' 2 4
await has false job runs .spec.suspend
await has 2 pods_made runs
before=$(workload_uid runs)

activate runs false
await has "True Deactivated" workload runs Evicted
await has true job runs .spec.suspend
# Until Kueue has put the template back, it lets no Job have another queue.
await has "" job runs '.metadata.annotations.kueue\.x-k8s\.io/stopping'
put runs no-such-queue 0
await has "False Inadmissible" workload runs QuotaReserved
expect "the workload is the same" "$(workload_uid runs)" "$before"
put runs team 2
sleep 3
expect "suspended in its own queue, which has room" "$(job runs .spec.suspend)" true
expect "its workload" "$(workload runs QuotaReserved)" "False Inadmissible"

activate runs true
await has false job runs .spec.suspend
await has 4 pods_made runs
expect "pods after it was activated" "$(pods_made runs)" 4
