#!/usr/bin/env bash
# kubernetes-job 0.3.3 (Python): clean_jobs, which is to delete completed Jobs, deletes Jobs that run.
#
# Guessed before it was run: a Job is completed for it once its condition Complete or Failed is True.
#
# What happened: the guess was wrong. One pod that succeeded or failed is enough, whatever the Job still
# has to do. Of the four Jobs below, none of which has ended, it deletes three, and says of the one whose
# pod is being retried that it has FAILED. Without a selector it looks at all Jobs of its namespace.
# Whoever has a Job of several pods there, or of one that may be retried, loses it. A shard of an Indexed
# Job of this plugin counts the indexes of other clusters as succeeded before it runs, and is deleted
# before it has done anything.
#
# needs: python3 with pip
source "$(dirname "$0")/base.bash"

python3 -m pip install --quiet --target "$work/python" kubernetes-job==0.3.3 kubernetes==37.0.2 \
  2>"$work/pip.log"
cat >"$work/clean.py" <<'PROGRAM'
import http.server, json, threading

from kubernetes import client
from kubernetes_job import JobManager
from kubernetes_job.job_manager import job_status

def job(name, **status):
    pods = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
    return {"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "namespace": "default"}, "status": status,
            "spec": {"parallelism": 2, "completions": 4, "backoffLimit": 6, "template": pods}}

jobs = [
    job("fresh", active=2),
    job("has-one-of-four", active=2, succeeded=1),
    job("retries-a-pod", active=2, failed=1),
    job("starts-with-credits", succeeded=2, conditions=[{"type": "Suspended", "status": "True"}]),
]

class Server(http.server.BaseHTTPRequestHandler):
    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"apiVersion": "batch/v1", "kind": "JobList", "metadata": {}, "items": jobs})

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        print("deleted:", self.path.split("?")[0].rsplit("/", 1)[-1])
        self.answer({"apiVersion": "v1", "kind": "Status", "status": "Success"})

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
manager = JobManager(client.ApiClient(configuration), {}, "default")
print("status:", *[job_status(each) for each in manager.list_jobs()])
manager.clean_jobs()
PROGRAM
expect "what it does" "$(PYTHONPATH=$work/python python3 "$work/clean.py")" \
  "status: ACTIVE SUCCEEDED FAILED SUCCEEDED
deleted: has-one-of-four
deleted: retries-a-pod
deleted: starts-with-credits"
