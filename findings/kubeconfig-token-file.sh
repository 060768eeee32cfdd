#!/usr/bin/env bash
# The clients for Python (kubernetes 37.0.2, kr8s 0.20.15) and JavaScript (@kubernetes/client-node
# 1.4.0): of a user with token and tokenFile they send the token, and never read the file.
#
# Guessed before it was run: the file comes before the token, as the documentation of the kubeconfig
# says, and as kubectl v1.37.2 does it.
#
# What happened: the guess was wrong for all three. Who writes both does so because the file is renewed:
# the token beside it is the one of the first hour. After that hour kubectl goes on, and so does a
# plugin that follows it, and programs over these clients are refused as unauthorized, with the same
# kubeconfig.
#
# needs: python3 with pip, node 20 with npm
source "$(dirname "$0")/base.bash"

printf 'renewed' >"$work/token"
cat >"$work/kubeconfig" <<CONFIG
{"apiVersion": "v1", "kind": "Config", "current-context": "east",
 "clusters": [{"name": "east", "cluster": {"server": "https://east.example"}}],
 "contexts": [{"name": "east", "context": {"cluster": "east", "user": "agent"}}],
 "users": [{"name": "agent", "user": {"token": "first", "tokenFile": "token"}}]}
CONFIG
export KUBECONFIG=$work/kubeconfig PYTHONPATH=$work/python

python3 -m pip install --quiet --target "$work/python" kubernetes==37.0.2 kr8s==0.20.15 \
  2>"$work/pip.log"
expect "what kubernetes sends" "$(python3 -c '
from kubernetes import client, config
config.load_kube_config()
print(client.Configuration.get_default_copy().get_api_key_with_prefix("BearerToken"))')" \
  "Bearer first"
expect "what kr8s sends" "$(python3 -c '
import asyncio
from kr8s._auth import KubeAuth

async def main():
    print("Bearer", (await KubeAuth()).token)

asyncio.run(main())')" "Bearer first"

cd "$work"
npm install --silent --no-audit --no-fund @kubernetes/client-node@1.4.0
cat >header.mjs <<'PROGRAM'
import { KubeConfig } from "@kubernetes/client-node";
const config = new KubeConfig();
config.loadFromDefault();
const options = { headers: {} };
await config.applyToHTTPSOptions(options);
console.log(options.headers.Authorization);
PROGRAM
expect "what client-node sends" "$(node header.mjs)" "Bearer first"
