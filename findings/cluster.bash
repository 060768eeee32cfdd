# A cluster for the scripts of this folder, which source this file, and Kueue for it. It has no
# nodes: a pod that is made is the moment at which a node would begin to run it.
#
# needs: go, openssl, curl; or BINARIES=DIR, see README.md

source "$(dirname "${BASH_SOURCE[0]}")/base.bash"

KUBERNETES=v1.37.2
KUEUE=v0.17.0
# Further flags of the components.
api_flags=() controller_flags=()

# Waits until a command succeeds, for a minute or the given number of seconds.
await() {
  local end=$((SECONDS + ${LIMIT:-60}))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > end)); then
      echo "waited in vain for: $*" >&2
      return 1
    fi
    sleep 0.1
  done
}

kubectl() { "$bin/kubectl" --kubeconfig "$work/kubeconfig" "$@"; }

# Builds the pinned versions into the temporary folder.
build() {
  bin=$work/bin
  mkdir -p "$bin"
  local version="-X k8s.io/component-base/version.gitVersion=$KUBERNETES"
  version+=" -X k8s.io/component-base/version.gitMajor=1"
  version+=" -X k8s.io/component-base/version.gitMinor=37"
  export CGO_ENABLED=0 GOWORK=off
  cp -r "$here/../tests/real/kubernetes/$KUBERNETES" "$work/kubernetes"
  (cd "$work/kubernetes" && go build -trimpath -ldflags "-s -w $version" -o "$bin/" \
    go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver \
    k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kubectl)
  mv "$bin/server" "$bin/etcd"
  cp -r "$here/../tests/real/kueue/$KUEUE" "$work/kueue"
  (cd "$work/kueue" && go build -trimpath -ldflags "-s -w" -o "$bin/" sigs.k8s.io/kueue/cmd/kueue)
  local module
  module=$(cd "$work/kueue" && go list -f '{{.Module.Dir}}' sigs.k8s.io/kueue/cmd/kueue)
  cp -r "$module/config/components/crd/bases" "$bin/crds"
  cp "$module/config/components/webhook/manifests.yaml" "$bin/webhooks.yaml"
}

# Starts a cluster. The arguments are ports: of etcd, of its peers, of the API server.
start_cluster() {
  if [[ -n ${BINARIES:-} ]]; then bin=$(cd "$BINARIES" && pwd); else build; fi
  echo "token,admin,admin,system:masters" >"$work/tokens.csv"
  openssl genrsa -out "$work/accounts.key" 2048 2>/dev/null
  "$bin/etcd" --data-dir="$work/etcd" --unsafe-no-fsync \
    --listen-client-urls="http://127.0.0.1:$1" --advertise-client-urls="http://127.0.0.1:$1" \
    --listen-peer-urls="http://127.0.0.1:$2" --initial-advertise-peer-urls="http://127.0.0.1:$2" \
    --initial-cluster="default=http://127.0.0.1:$2" >"$work/etcd.log" 2>&1 &
  pids+=($!)
  "$bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$1" --secure-port="$3" \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --cert-dir="$work/certificates" \
    --token-auth-file="$work/tokens.csv" --authorization-mode=RBAC \
    --service-cluster-ip-range=10.0.0.0/24 --service-account-issuer=https://127.0.0.1 \
    --service-account-key-file="$work/accounts.key" \
    --service-account-signing-key-file="$work/accounts.key" \
    --disable-admission-plugins=ServiceAccount --endpoint-reconciler-type=none \
    "${api_flags[@]}" >"$work/kube-apiserver.log" 2>&1 &
  pids+=($!)
  cat >"$work/kubeconfig" <<CONFIG
{"apiVersion": "v1", "kind": "Config", "current-context": "c",
 "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:$3",
   "insecure-skip-tls-verify": true}}],
 "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
 "users": [{"name": "c", "user": {"token": "token"}}]}
CONFIG
  await kubectl get --raw /readyz
  start_controllers
  await kubectl get namespace default
}

start_controllers() {
  "$bin/kube-controller-manager" --kubeconfig="$work/kubeconfig" --leader-elect=false \
    --secure-port=0 --controllers=job-controller,garbage-collector-controller \
    "${controller_flags[@]}" >"$work/kube-controller-manager.log" 2>&1 &
  controllers=$!
  pids+=("$controllers")
}

# Starts a scheduler with the flags of the controllers. It is built if it is not there.
start_scheduler() {
  local scheduler=$bin/kube-scheduler
  if [[ ! -x $scheduler ]]; then
    scheduler=$work/kube-scheduler
    cp -r "$here/../tests/real/kubernetes/$KUBERNETES" "$work/scheduler"
    (cd "$work/scheduler" && CGO_ENABLED=0 GOWORK=off go build -trimpath -ldflags "-s -w
      -X k8s.io/component-base/version.gitVersion=$KUBERNETES
      -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37" \
      -o "$scheduler" k8s.io/kubernetes/cmd/kube-scheduler)
  fi
  "$scheduler" --kubeconfig="$work/kubeconfig" --leader-elect=false --secure-port=0 \
    "${controller_flags[@]}" >"$work/kube-scheduler.log" 2>&1 &
  pids+=($!)
}

# Kills the controllers, until start_controllers starts them again.
kill_controllers() {
  kill -KILL "$controllers"
  wait "$controllers" 2>/dev/null || true
}

# Installs Kueue and starts its manager. The first argument is the port of its webhooks, the second
# further JSON of its configuration.
start_kueue() {
  kubectl create namespace kueue-system
  kubectl create -f - <<SERVICE
{"apiVersion": "v1", "kind": "Service",
 "metadata": {"name": "kueue-webhook-service", "namespace": "kueue-system"},
 "spec": {"type": "ExternalName", "externalName": "localhost"}}
SERVICE
  kubectl -n kueue-system create secret generic kueue-webhook-server-cert
  kubectl create -f "$bin/crds/" >/dev/null
  local kind webhook
  for kind in localqueues clusterqueues cohorts workloads multikueueclusters; do
    webhook="{\"conversionReviewVersions\": [\"v1\"], \"clientConfig\": {\"service\":
      {\"namespace\": \"kueue-system\", \"name\": \"kueue-webhook-service\",
       \"path\": \"/convert\", \"port\": $1}}}"
    kubectl patch crd "$kind.kueue.x-k8s.io" --type=merge -p \
      "{\"spec\": {\"conversion\": {\"strategy\": \"Webhook\", \"webhook\": $webhook}}}"
  done >/dev/null
  # Those of other kinds would refuse their objects, because nobody looks after them here.
  sed -e "s/name: webhook-service/name: kueue-webhook-service\n      port: $1/" \
    -e 's/namespace: system/namespace: kueue-system/' \
    -e 's/name: \(mutating\|validating\)-webhook/name: kueue-\1-webhook/' "$bin/webhooks.yaml" |
    awk 'function flush() { if (keep || !hook) printf "%s", text; text = ""; keep = 0; hook = 0 }
      /^- admission/ || /^---/ { flush() } /^- admission/ { hook = 1 }
      /^    - (batch|kueue.x-k8s.io)$/ { keep = 1 } { text = text $0 "\n" }
      END { flush() }' >"$work/webhooks.yaml"
  kubectl create -f "$work/webhooks.yaml"
  cat >"$work/kueue.json" <<CONFIG
{"apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration",
 "namespace": "kueue-system", "health": {"healthProbeBindAddress": "0"},
 "metrics": {"bindAddress": "0"}, "webhook": {"port": $1, "certDir": "$work/kueue-certificates"},
 "leaderElection": {"leaderElect": false},
 "internalCertManagement": {"enable": true, "webhookServiceName": "kueue-webhook-service"},
 "integrations": {"frameworks": ["batch/job"]},
 "featureGates": {"VisibilityOnDemand": false} ${2:+, $2}}
CONFIG
  "$bin/kueue" --config="$work/kueue.json" --kubeconfig="$work/kubeconfig" \
    >"$work/kueue.log" 2>&1 &
  pids+=($!)
  mkdir "$work/kueue-certificates"
  local file
  for file in ca.crt tls.key tls.crt; do
    await mount_certificate "$file"
  done
  cat >"$work/flavor.yaml" <<FLAVOR
{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": "spot"}}
FLAVOR
  await kubectl create -f "$work/flavor.yaml"
}

# Does what a kubelet does for the manager: a Secret becomes a file.
mount_certificate() {
  local name=${1/./\\.}
  kubectl -n kueue-system get secret kueue-webhook-server-cert -o "jsonpath={.data.$name}" |
    base64 -d >"$work/$1"
  [[ -s $work/$1 ]] && mv "$work/$1" "$work/kueue-certificates/$1"
}

# Makes a queue in the namespace default, with room for so many pods.
make_queue() {
  kubectl create -f - <<QUEUE
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue", "metadata": {"name": "$1"},
  "spec": {"namespaceSelector": {}, "resourceGroups": [{"coveredResources": ["pods"],
   "flavors": [{"name": "spot", "resources": [{"name": "pods", "nominalQuota": "$2"}]}]}]}},
 {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
  "metadata": {"name": "$1", "namespace": "default"}, "spec": {"clusterQueue": "$1"}}]}
QUEUE
}

# Makes a Job: its name, its labels as JSON, its parallelism, its completions.
make_job() {
  kubectl create -f - <<JOB
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "$1", "labels": $2},
 "spec": {"parallelism": $3, "completions": $4, "template": {"spec": {"restartPolicy": "Never",
  "containers": [{"name": "main", "image": "busybox"}]}}}}
JOB
}

# A field of a Job, as a JSON path without braces.
job() { kubectl get job "$1" -o "jsonpath={$2}"; }

# How many pods of a Job were made, those that are gone included.
pods_made() {
  kubectl get events -o "jsonpath={range .items[?(@.reason=='SuccessfulCreate')]}\
{.involvedObject.name}{'\n'}{end}" | grep -cx "$1" || true
}

# A condition of the Workload of a Job: its status and its reason.
workload() {
  kubectl get workloads -l "kueue.x-k8s.io/job-uid=$(job "$1" .metadata.uid)" \
    -o "jsonpath={range .items[*].status.conditions[?(@.type=='$2')]}{.status} {.reason}{end}"
}

has() { [[ $("${@:2}") == "$1" ]]; }
