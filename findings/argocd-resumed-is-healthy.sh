#!/usr/bin/env bash
# Argo CD (gitops-engine v0.7.1 of January 2025, the library that judges health there): a Job that was
# created suspended and was resumed is Healthy while its pods run.
#
# Guessed before it was run: it is Progressing until it is Complete, like a Job that was never
# suspended.
#
# What happened: the guess was wrong. Since the resume the Job has the condition Suspended with the
# status False, and that it is there is enough for Healthy. In October 2025 the code still did the same.
# Kueue resumes Jobs that way, and so does whoever divides Jobs over clusters. For Argo CD each of them
# is done from its first second on: a hook or a wave of a sync that waits for such a Job lets the next
# one begin, and nobody is told that the Job still runs.
#
# needs: go
source "$(dirname "$0")/base.bash"

cd "$work"
{
  printf 'module finding\n\ngo 1.24\n\n'
  echo 'require github.com/argoproj/gitops-engine v0.7.1-0.20250129155113-faf5a4e5c37d'
  # Its Kubernetes names these without a version.
  for module in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go \
    cloud-provider cluster-bootstrap code-generator component-base component-helpers \
    controller-manager cri-api cri-client csi-translation-lib dynamic-resource-allocation \
    endpointslice kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl \
    kubelet legacy-cloud-providers metrics mount-utils pod-security-admission sample-apiserver \
    sample-cli-plugin sample-controller; do
    echo "replace k8s.io/$module => k8s.io/$module v0.29.6"
  done
} >go.mod
cat >main.go <<'PROGRAM'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	var job unstructured.Unstructured
	if err := json.Unmarshal([]byte(os.Args[1]), &job.Object); err != nil {
		panic(err)
	}
	status, err := health.GetResourceHealth(&job, nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(status.Status)
}
PROGRAM
GOFLAGS=-mod=mod GOWORK=off go build -o judge . 2>"$work/go.log" || { cat "$work/go.log" >&2; exit 1; }

# What is said of a Job of which 1 of 3 pods runs, with these conditions.
health() {
  ./judge "{\"apiVersion\": \"batch/v1\", \"kind\": \"Job\", \"metadata\": {\"name\": \"job\"},
    \"spec\": {\"parallelism\": 1, \"completions\": 3, \"suspend\": false},
    \"status\": {\"active\": 1, \"startTime\": \"2026-11-30T12:00:00Z\", \"conditions\": [$1]}}"
}

expect "a job that runs" "$(health '')" Progressing
# As Kubernetes v1.37.2 writes it.
expect "a job that was resumed and runs" "$(health '{"type": "Suspended", "status": "False",
  "reason": "JobResumed", "message": "Job resumed", "lastTransitionTime": "2026-11-30T12:00:00Z",
  "lastProbeTime": "2026-11-30T12:00:00Z"}')" Healthy
