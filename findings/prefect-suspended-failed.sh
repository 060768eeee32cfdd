#!/usr/bin/env bash
# prefect-kubernetes 0.8.0 (Python): a Job that waits in a queue, suspended, has failed; and so has one
# that is about to be Complete.
#
# Guessed before it was run: it waits until the condition Complete or Failed is True.
#
# What happened: the guess was wrong. Once no pod is active, any condition that is True and is not
# Complete means a failure. So the block KubernetesJob raises "failed due to []" at its first look at a
# Job that Kueue has not admitted yet, and the flow fails while the Job runs later. It does the same
# while a Job has only SuccessCriteriaMet: since Kubernetes 1.31 that is so until its last pods have
# ended, which takes their whole grace period if a successPolicy is met.
#
# needs: python3 with pip
source "$(dirname "$0")/base.bash"

python3 -m pip install --quiet --target "$work/python" prefect-kubernetes==0.8.0 prefect==3.9.1 \
  2>"$work/pip.log"
cat >"$work/wait.py" <<'PROGRAM'
import asyncio, http.server, json, threading

from prefect_kubernetes.credentials import KubernetesClusterConfig, KubernetesCredentials
from prefect_kubernetes.jobs import KubernetesJob, KubernetesJobRun

def true(kind, reason):
    time = "2026-11-30T12:00:00Z"
    return {"type": kind, "status": "True", "reason": reason, "message": "",
            "lastProbeTime": time, "lastTransitionTime": time}

# As Kubernetes v1.37.2 writes them.
met = true("SuccessCriteriaMet", "SuccessPolicy")
statuses = {
    "complete": {"succeeded": 1, "conditions": [met, true("Complete", "SuccessPolicy")]},
    "waits-in-a-queue": {"conditions": [true("Suspended", "JobSuspended")]},
    "last-pods-end": {"succeeded": 1, "terminating": 2, "conditions": [met]},
}

def job(name):
    labels = {"controller-uid": "1", "job-name": name}
    pods = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": {"metadata": {"labels": labels}, "spec": pods}}}

class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        value = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}
        if "/jobs/" in path:
            name = path.rsplit("/", 1)[-1]
            value = {**job(name), "status": statuses[name]}
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
config = {
    "apiVersion": "v1", "kind": "Config", "current-context": "east",
    "clusters": [{"name": "east",
                  "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    "contexts": [{"name": "east", "context": {"cluster": "east", "user": "east"}}],
    "users": [{"name": "east", "user": {"token": "token"}}],
}
cluster = KubernetesClusterConfig(config=config, context_name="east")
credentials = KubernetesCredentials(cluster_config=cluster)

async def main():
    for name in statuses:
        block = KubernetesJob(v1_job=job(name), credentials=credentials,
                              delete_after_completion=False)
        run = KubernetesJobRun(kubernetes_job=block, v1_job_model=job(name))
        try:
            await asyncio.wait_for(run.await_for_completion(), 60)
            print(f"{name}: completed")
        except RuntimeError as error:
            print(f"{name}: {str(error).split(',')[0]}")

asyncio.run(main())
PROGRAM
export PREFECT_HOME=$work/prefect PREFECT_LOGGING_LEVEL=CRITICAL
expect "what it says" "$(PYTHONPATH=$work/python python3 "$work/wait.py" 2>"$work/wait.log")" \
  "complete: completed
waits-in-a-queue: Job 'waits-in-a-queue' failed due to []
last-pods-end: Job 'last-pods-end' failed due to []"
