// kube-router's NetworkPolicy controller alone, without its BGP speaker, service proxy and
// metrics server: what a cluster for tests needs, in a fraction of the build.
package main

import (
	"flag"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file of the cluster")
	node := flag.String("node", "", "name of the node whose pods are guarded")
	services := flag.String("service-cluster-ip-range", "", "CIDR of the cluster's Service addresses")
	resync := flag.Duration("resync", time.Minute, "how often all rules are written again")
	klog.InitFlags(nil)
	flag.Parse()

	stop := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		close(stop)
	}()
	if err := run(*kubeconfig, *node, *services, *resync, stop); err != nil {
		klog.Fatal(err)
	}
}

func run(kubeconfig, node, services string, resync time.Duration, stop chan struct{}) error {
	rest, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}

	config := options.NewKubeRouterConfig()
	config.HostnameOverride = node
	config.ClusterIPCIDRs = strings.Split(services, ",")
	config.NodePortRange = "30000-32767"
	config.EnableIPv4, config.EnableIPv6 = true, false
	config.IPTablesSyncPeriod = resync

	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(stop)
	factory.WaitForCacheSync(stop)

	iptables, ipsets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return err
	}
	var ipsetMutex sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(
		client, config, pods, policies, namespaces, &ipsetMutex, iptables, ipsets)
	if err != nil {
		return err
	}
	if _, err = pods.AddEventHandler(controller.PodEventHandler); err != nil {
		return err
	}
	if _, err = namespaces.AddEventHandler(controller.NamespaceEventHandler); err != nil {
		return err
	}
	if _, err = policies.AddEventHandler(controller.NetworkPolicyEventHandler); err != nil {
		return err
	}

	// The controller blocks when nobody reads its heartbeats.
	heartbeats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range heartbeats {
		}
	}()
	var group sync.WaitGroup
	group.Add(1)
	go controller.Run(heartbeats, stop, &group)
	group.Wait()
	return nil
}
