#!/usr/bin/env bash
# Kueue v0.17.0 with Kubernetes v1.37.2: for a moment after an eviction a Job is suspended, and Kueue's
# webhook refuses another queue as if it were not.
#
# Guessed before it was run: the queue of a Job may change as soon as spec.suspend is true, as the
# message of the refusal says of Jobs that run.
#
# What happened: the guess was wrong. Kueue marks a Job that it stops with an annotation, and takes
# that off when the Job controller has seen the suspension and the template is put back. Until then
# the Job counts as running, although spec.suspend is true. A patch right after the eviction was
# refused in about half of the rounds.
source "$(dirname "$0")/cluster.bash"

start_cluster 23841 23842 23843
start_kueue 23844 ''
make_queue team 2
refused=0
for round in 1 2 3 4 5 6 7 8; do
  name=runs-$round
  make_job "$name" '{"kueue.x-k8s.io/queue-name": "team"}' 2 4
  await has false job "$name" .spec.suspend
  await has 2 pods_made "$name"
  workload=$(kubectl get workloads -o name \
    -l "kueue.x-k8s.io/job-uid=$(job "$name" .metadata.uid)")
  kubectl patch "$workload" --type=merge -p '{"spec": {"active": false}}'
  await has true job "$name" .spec.suspend
  patch='{"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "no-such-queue"}}}'
  if ! kubectl patch job "$name" --type=merge -p "$patch" 2>"$work/refusal"; then
    expect "the refusal" "$(grep -o 'field is immutable' "$work/refusal")" "field is immutable"
    expect "is suspended" "$(job "$name" .spec.suspend)" true
    refused=$((refused + 1))
  fi
  await has "" job "$name" '.metadata.annotations.kueue\.x-k8s\.io/stopping'
  kubectl patch job "$name" --type=merge -p "$patch"
  kubectl delete job "$name" --wait
done
echo "refused: $refused of 8"
((refused > 0)) || { echo "changed: it is never refused" >&2; exit 1; }
