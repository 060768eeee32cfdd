#!/usr/bin/env bash
# Kubernetes v1.37.2 with the gates GenericWorkload and WorkloadWithJob: the last pods of a Job with a
# gang wait for ever if they are fewer than its minCount. A smaller minCount lets them run.
#
# Guessed before it was run: the two last pods of a Job with a gang of 4 and 6 completions wait, and
# the Job controller or the scheduler knows at some time that no more will come, and lets them go.
#
# What happened: the first half of the guess was right, the second was not. Nobody lowers minCount,
# and a pod says only that it waits for more pods of its gang. A patch of the Job's minCount to 2 was
# enough: the controller changed the PodGroup, and the scheduler placed both pods at once.
source "$(dirname "$0")/cluster.bash"

gates=--feature-gates=GenericWorkload=true,WorkloadWithJob=true
api_flags=("$gates" --runtime-config=scheduling.k8s.io/v1beta1=true)
controller_flags=("$gates")

# The pods of the Job that are on a node and have not ended.
placed() {
  kubectl get pods --field-selector status.phase=Pending \
    -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' | grep -c . || true
}

# Does what a kubelet does when all that runs there succeeds at once.
succeed() {
  local pod
  for pod in $(kubectl get pods --field-selector status.phase=Pending -o name); do
    kubectl patch "$pod" --subresource=status -p '{"status": {"phase": "Succeeded"}}'
  done
}

start_cluster 23861 23862 23863
start_scheduler
kubectl create -f - <<'NODE'
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"},
 "status": {"allocatable": {"pods": "10"}, "capacity": {"pods": "10"},
  "conditions": [{"type": "Ready", "status": "True"}]}}
NODE
kubectl patch node node --type=merge -p '{"spec": {"taints": null}}'
kubectl create -f - <<'JOB'
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "gang"},
 "spec": {"parallelism": 4, "completions": 6,
  "scheduling": {"schedulingPolicy": {"gang": {"minCount": 4}}},
  "template": {"spec": {"restartPolicy": "Never",
   "containers": [{"name": "main", "image": "busybox"}]}}}}
JOB
await has 4 placed
kill_controllers
succeed
start_controllers
await has 4 job gang .status.succeeded
await has 6 pods_made gang
sleep 20
expect "the last pods that were placed after 20 seconds" "$(placed)" 0
kubectl patch job gang --type=merge \
  -p '{"spec": {"scheduling": {"schedulingPolicy": {"gang": {"minCount": 2}}}}}'
LIMIT=10 await has 2 placed
expect "those that were placed once the gang was smaller" "$(placed)" 2
