#!/usr/bin/env bash
# kr8s 0.20.15 (Python): of two files in KUBECONFIG that have an entry of the same name, the last one
# wins.
#
# Guessed before it was run: the first one wins, as with kubectl.
#
# What happened: the guess was wrong. kubectl v1.37.2 talks to the cluster of the first file here, and
# kr8s to that of the second, with the credentials of the second. The current context is that of the
# first file for both, so its name does not tell. Many installers give cluster, user and context the
# same names everywhere: whoever lists two such files watches one cluster with kubectl, and runs a
# program over kr8s in the other.
#
# needs: python3 with pip
source "$(dirname "$0")/base.bash"

python3 -m pip install --quiet --target "$work/python" kr8s==0.20.15 2>"$work/pip.log"
cat >"$work/ask.py" <<'PROGRAM'
import asyncio, http.server, json, os, sys, threading

import kr8s.asyncio

class Server(http.server.ThreadingHTTPServer):
    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        threading.Thread(target=self.serve_forever, daemon=True).start()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(f"{self.server.name} was asked with {self.headers['Authorization']}")
        body = b'{"major": "1", "minor": "35", "gitVersion": "v1.35.4"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

# A kubeconfig with the names that an installer always uses.
def make_kubeconfig(name):
    path = os.path.join(sys.argv[1], name)
    address = f"http://127.0.0.1:{Server(name).server_port}"
    with open(path, "w") as file:
        json.dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "default",
            "clusters": [{"name": "default", "cluster": {"server": address}}],
            "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
            "users": [{"name": "default", "user": {"token": f"token-of-{name}"}}],
        }, file)
    return path

os.environ["KUBECONFIG"] = ":".join(map(make_kubeconfig, ["first", "second"]))
asyncio.run(kr8s.asyncio.api())
PROGRAM
expect "which server" "$(PYTHONPATH=$work/python python3 "$work/ask.py" "$work" | head -n 1)" \
  "second was asked with Bearer token-of-second"
