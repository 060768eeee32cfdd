#!/usr/bin/env bash
# cdk8s 2.70.106 and @kubernetes/client-node 1.4.0 (JavaScript): what they write as YAML has strings
# without quotes that kubectl reads as numbers.
#
# Guessed before it was run: both are made for Kubernetes, so a string that they write is a string for
# kubectl, whatever it looks like.
#
# What happened: the guess was wrong for both, in different ways. cdk8s leaves 0o644 as it is, which is
# 420 for kubectl, and dumpYaml of the client leaves 1_000. Of 199 strings that look like something else
# in YAML, 5 of cdk8s became numbers, and 15 of the client. A server refuses a Job whose arguments,
# variables or labels have one; in a field that takes numbers and strings, it becomes another value. A
# mode for chmod and a count with a separator are such arguments.
#
# needs: node 20 with npm, go
source "$(dirname "$0")/base.bash"

cd "$work"
npm install --silent --no-audit --no-fund cdk8s@2.70.106 constructs@10.4.2 \
  @kubernetes/client-node@1.4.0
cat >write.mjs <<'PROGRAM'
import { dumpYaml } from "@kubernetes/client-node";
import { Yaml } from "cdk8s";
const write = { cdk8s: (value) => Yaml.stringify(value), client: dumpYaml };
process.stdout.write(write[process.argv[2]]({ args: process.argv.slice(3) }));
PROGRAM
printf 'module finding\n\ngo 1.22\n\nrequire sigs.k8s.io/yaml v1.6.0\n' >go.mod
cat >main.go <<'PROGRAM'
package main

import (
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	// The library that kubectl reads manifests with.
	json, err := yaml.YAMLToJSON(text)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(json))
}
PROGRAM
GOFLAGS=-mod=mod GOWORK=off go build -o read . 2>"$work/go.log"

expect "what kubectl reads of cdk8s" "$(node write.mjs cdk8s 0o644 1_000 0644 yes | ./read)" \
  '{"args":[420,"1_000","0644","yes"]}'
expect "what kubectl reads of the client" "$(node write.mjs client 0o644 1_000 0644 yes | ./read)" \
  '{"args":["0o644",1000,"0644","yes"]}'
