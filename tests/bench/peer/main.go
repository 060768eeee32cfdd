// What somebody would write over client-go for one Job in many clusters: a goroutine a cluster, no
// limit of requests, and the steps that kubectl-federate takes, in its order. Nothing is divided,
// remembered for later or taken up again; the registry is the kubeconfig.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	batchclient "k8s.io/client-go/kubernetes/typed/batch/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

const namespace = "default"

// A cluster with what is known of it.
type cluster struct {
	name  string
	core  *coreclient.CoreV1Client
	batch *batchclient.BatchV1Client
	uid   types.UID
	job   *batchv1.Job
}

// The client of a context. Both groups share one connection.
func (c *cluster) connect(config *api.Config) error {
	rules := &clientcmd.ConfigOverrides{}
	found, err := clientcmd.NewNonInteractiveClientConfig(*config, c.name, rules, nil).ClientConfig()
	if err != nil {
		return err
	}
	found.QPS = -1
	client, err := rest.HTTPClientFor(found)
	if err != nil {
		return err
	}
	if c.core, err = coreclient.NewForConfigAndClient(found, client); err != nil {
		return err
	}
	c.batch, err = batchclient.NewForConfigAndClient(found, client)
	return err
}

func (c *cluster) identify(ctx context.Context) error {
	found, err := c.core.Namespaces().Get(ctx, "kube-system", metav1.GetOptions{})
	if err == nil {
		c.uid = found.UID
	}
	return err
}

func (c *cluster) create(ctx context.Context, job *batchv1.Job, dryRun ...string) error {
	made, err := c.batch.Jobs(namespace).Create(ctx, job, metav1.CreateOptions{DryRun: dryRun})
	c.job = made
	return err
}

func (c *cluster) resume(ctx context.Context) error {
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"suspend":false}}`, c.job.UID)
	_, err := c.batch.Jobs(namespace).
		Patch(ctx, c.job.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// Does something in all clusters at once, and waits for all of them.
func each(clusters []*cluster, do func(*cluster) error) error {
	var group sync.WaitGroup
	failed := make([]error, len(clusters))
	for i, c := range clusters {
		group.Go(func() { failed[i] = do(c) })
	}
	group.Wait()
	for i, err := range failed {
		if err != nil {
			return fmt.Errorf("%s: %w", clusters[i].name, err)
		}
	}
	return nil
}

// Where the Job is to be, and where it is.
func record(job *batchv1.Job, clusters []*cluster) (*corev1.ConfigMap, error) {
	shards := map[string]map[string]types.UID{}
	for _, c := range clusters {
		shard := map[string]types.UID{"cluster": c.uid}
		if c.job != nil {
			shard["job"] = c.job.UID
		}
		shards[c.name] = shard
	}
	state, err := json.Marshal(shards)
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: job.Name + ".peer"},
		Data:       map[string]string{"shards": string(state)},
	}, err
}

func run(kubeconfig, host, members, file string) error {
	ctx := context.Background()
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	job := &batchv1.Job{}
	if err := yaml.Unmarshal(text, job); err != nil {
		return err
	}
	one, suspended := int32(1), true
	job.Spec.Parallelism, job.Spec.Completions, job.Spec.Suspend = &one, &one, &suspended
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return err
	}
	keeper := &cluster{name: host}
	if err := keeper.connect(config); err != nil {
		return err
	}
	var clusters []*cluster
	for name := range config.Contexts {
		if strings.HasPrefix(name, members) {
			clusters = append(clusters, &cluster{name: name})
		}
	}

	err = each(clusters, func(c *cluster) error {
		if err := c.connect(config); err != nil {
			return err
		}
		if err := c.identify(ctx); err != nil {
			return err
		}
		return c.create(ctx, job, metav1.DryRunAll)
	})
	if err != nil {
		return err
	}
	for _, c := range clusters {
		c.job = nil
	}
	plan, err := record(job, clusters)
	if err != nil {
		return err
	}
	records := keeper.core.ConfigMaps(namespace)
	if plan, err = records.Create(ctx, plan, metav1.CreateOptions{}); err != nil {
		return err
	}
	err = each(clusters, func(c *cluster) error { return c.create(ctx, job) })
	if err != nil {
		return err
	}
	made, err := record(job, clusters)
	if err != nil {
		return err
	}
	made.ResourceVersion = plan.ResourceVersion
	if _, err = records.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return each(clusters, func(c *cluster) error { return c.resume(ctx) })
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig")
	host := flag.String("host", "", "the context of the cluster that keeps the record")
	members := flag.String("members", "", "how the contexts of the members begin")
	file := flag.String("file", "", "the Job")
	flag.Parse()
	if err := run(*kubeconfig, *host, *members, *file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
