#!/usr/bin/env bash
# Writes the Go module that pins a version of Kubernetes: tests/real/kubernetes/pin.sh v1.33.13
# A second word is the version of etcd; it makes the module build etcd and kubectl too, as that of
# the newest version must. Where the repository's module is not served in this patch version, the
# newest one before it that is served takes its place.
set -euo pipefail
version=$1 etcd=${2:-}
folder=$(cd "$(dirname "$0")" && pwd)/$version
mkdir -p "$folder"
cd "$folder"
rm -f go.mod go.sum
minor=${version#v1.} minor=${minor%.*}
go mod init control-planes
# The modules that live in Kubernetes' own repository have a version of their own: v0 for v1.
source=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
for module in $(sed -n 's/^\t\(k8s.io\/[a-z-]*\) => .*/\1/p' "$source"); do
  patch=${version##*.}
  until go mod download "$module@v0.$minor.$patch" 2>&-; do
    [ "$patch" -gt 0 ] || { echo "no patch version of $module is served" >&2; exit 1; }
    patch=$((patch - 1))
  done
  go mod edit -replace "$module=$module@v0.$minor.$patch"
done
go mod edit -require "k8s.io/kubernetes@$version"
go mod edit -tool k8s.io/kubernetes/cmd/kube-apiserver
go mod edit -tool k8s.io/kubernetes/cmd/kube-controller-manager
if [ -n "$etcd" ]; then
  go mod edit -require "go.etcd.io/etcd/server/v3@$etcd"
  go mod edit -tool go.etcd.io/etcd/server/v3
  go mod edit -tool k8s.io/kubernetes/cmd/kubectl
fi
go mod tidy
