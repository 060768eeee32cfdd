#!/usr/bin/env bash
# Kubernetes v1.37.2 with the gates GenericWorkload and WorkloadWithJob: whoever writes the status of
# a Job with a gang before its controller has looked at it, takes its gang away for good.
#
# Guessed before it was run: the controller makes the PodGroup before it makes the first pod, because
# nothing of the Job has run. Or else an event says that it does not.
#
# What happened: the guess was wrong. The controller makes a PodGroup only at its first look, and only
# if status.succeeded is 0 then. The Job runs without one: its pods are scheduled one by one, and no
# event and no condition says so. A suspended Job got its PodGroup at the first look, at which it also
# got its condition Suspended. A status that was written after that did no harm.
source "$(dirname "$0")/cluster.bash"

gates=--feature-gates=GenericWorkload=true,WorkloadWithJob=true
api_flags=("$gates" --runtime-config=scheduling.k8s.io/v1beta1=true)
controller_flags=("$gates")

# Makes a suspended Job with a gang of 2.
make_gang() {
  kubectl create -f - <<JOB
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "$1"},
 "spec": {"suspend": true, "parallelism": 3, "completions": 4,
  "scheduling": {"schedulingPolicy": {"gang": {"minCount": 2}}},
  "template": {"spec": {"restartPolicy": "Never",
   "containers": [{"name": "main", "image": "busybox"}]}}}}
JOB
}

# How many of the pods of a Job are in a PodGroup.
grouped() {
  kubectl get pods -l "batch.kubernetes.io/job-name=$1" \
    -o 'jsonpath={range .items[*]}{.spec.schedulingGroup.podGroupName}{"\n"}{end}' | grep -c . || true
}

credit() { kubectl patch job "$1" --subresource=status --type=merge -p '{"status": {"succeeded": 1}}'; }
resume() { kubectl patch job "$1" --type=merge -p '{"spec": {"suspend": false}}'; }
groups() { kubectl get podgroups.v1beta1.scheduling.k8s.io -o name | grep -c "/$1-" || true; }

start_cluster 23841 23842 23843

make_gang late
await has True job late '.status.conditions[?(@.type=="Suspended")].status'
expect "groups at the first look at a suspended job" "$(groups late)" 1
credit late
resume late
await has 3 pods_made late
expect "pods in a group, of a job that was credited after the first look" "$(grouped late)" 3

kill_controllers
make_gang early
credit early
start_controllers
await has True job early '.status.conditions[?(@.type=="Suspended")].status'
resume early
await has 3 pods_made early
expect "groups of a job that was credited before the first look" "$(groups early)" 0
expect "pods in a group" "$(grouped early)" 0
expect "warnings" \
  "$(kubectl get events --field-selector type=Warning,involvedObject.name=early -o name | wc -l)" 0
