// What does a client of the Kubernetes world see? `list` lists in pages and waits for a bookmark; `follow` tells what
// client-go's dynamic informer hears, until it is ended. The contract tests read the lines.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var machines = schema.GroupVersionResource{Group: "hypersdk.io", Version: "v1alpha1", Resource: "virtualmachines"}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "who to sign in as, and where")
	namespace := flag.String("namespace", "default", "whose VMs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Arg(0), *kubeconfig, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command, kubeconfig, namespace string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	if command == "follow" {
		config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return told{inner} })
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	if command == "follow" {
		return follow(ctx, client, namespace)
	}
	vms := client.Resource(machines).Namespace(namespace)
	version, err := list(ctx, vms)
	if err != nil {
		return err
	}
	return awaitBookmark(ctx, vms, version)
}

// list says what is on each page, and returns the version of the list.
func list(ctx context.Context, vms dynamic.ResourceInterface) (string, error) {
	options := metav1.ListOptions{Limit: 2}
	for {
		page, err := vms.List(ctx, options)
		if err != nil {
			return "", err
		}
		names := make([]string, len(page.Items))
		for i := range page.Items {
			names[i] = page.Items[i].GetName()
		}
		fmt.Println("page", strings.Join(names, " "))
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return page.GetResourceVersion(), nil
		}
	}
}

// awaitBookmark watches for so short a time that the server has to send one.
func awaitBookmark(ctx context.Context, vms dynamic.ResourceInterface, version string) error {
	seconds := int64(3)
	options := metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds}
	events, err := vms.Watch(ctx, options)
	if err != nil {
		return err
	}
	defer events.Stop()
	fmt.Println("watching")
	for event := range events.ResultChan() {
		if event.Type == watch.Bookmark {
			fmt.Println("bookmark")
			return nil
		}
	}
	return fmt.Errorf("the watch ended without a bookmark")
}

// follow tells of every event of an informer.
func follow(ctx context.Context, client dynamic.Interface, namespace string) error {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	informer := factory.ForResource(machines).Informer()
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { say("add", obj) },
		UpdateFunc: func(_, obj any) { say("update", obj) },
		DeleteFunc: func(obj any) { say("delete", obj) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	cache.WaitForCacheSync(ctx.Done(), handler.HasSynced)
	fmt.Println("synced")
	<-ctx.Done()
	return nil
}

// say tells the object's name and number of CPUs; a deletion that a list brought to light has its last known state.
func say(what string, obj any) {
	if lost, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		what, obj = what+" unseen", lost.Obj
	}
	vm := obj.(*unstructured.Unstructured)
	cpus, _, _ := unstructured.NestedInt64(vm.Object, "spec", "cpus")
	fmt.Println(what, vm.GetName(), cpus)
}

// told tells of each request that the informer makes: from which version it goes on, or that it begins anew.
type told struct{ inner http.RoundTripper }

func (t told) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	if query.Get("watch") == "" || query.Get("sendInitialEvents") == "true" {
		fmt.Println("list")
	} else {
		fmt.Println("watch")
	}
	return t.inner.RoundTrip(request)
}
