#!/usr/bin/env bash
# The official clients for Python (kubernetes 37.0.2) and JavaScript (@kubernetes/client-node 1.4.0):
# of the files in KUBECONFIG, the last one says which context is the current one.
#
# Guessed before it was run: the first file says it, as with kubectl.
#
# What happened: the guess was wrong for both. With KUBECONFIG=east:west, where each file has a current
# context of its own, kubectl v1.37.2 uses the one of east, and programs over these clients that of
# west. Nothing is said of it. Who runs such a program beside kubectl, or beside a plugin that follows
# kubectl, reads and changes another cluster than the one that kubectl shows.
#
# needs: python3 with pip, node 20 with npm
source "$(dirname "$0")/base.bash"

# A kubeconfig with one cluster, which is the current one.
make_kubeconfig() {
  cat >"$work/$1" <<CONFIG
{"apiVersion": "v1", "kind": "Config", "current-context": "$1",
 "clusters": [{"name": "$1", "cluster": {"server": "https://$1.example"}}],
 "contexts": [{"name": "$1", "context": {"cluster": "$1", "user": "$1"}}],
 "users": [{"name": "$1", "user": {"token": "$1"}}]}
CONFIG
}

make_kubeconfig east
make_kubeconfig west
export KUBECONFIG=$work/east:$work/west

python3 -m pip install --quiet --target "$work/python" kubernetes==37.0.2 2>"$work/pip.log"
expect "the server for Python" "$(PYTHONPATH=$work/python python3 -c '
from kubernetes import client, config
config.load_kube_config()
print(client.Configuration.get_default_copy().host)')" https://west.example

cd "$work"
npm install --silent --no-audit --no-fund @kubernetes/client-node@1.4.0
cat >server.mjs <<'PROGRAM'
import { KubeConfig } from "@kubernetes/client-node";
const config = new KubeConfig();
config.loadFromDefault();
console.log(config.getCurrentCluster().server);
PROGRAM
expect "the server for JavaScript" "$(node server.mjs)" https://west.example
