export const HELP = `A real single-node Kubernetes on this machine, without Docker: for trials and tests.

  npm run cluster -- up [--gpus 4] [--mig 1g.10gb=2] [--max-pods 110]
      Brings it up, ready for use. The first time it builds Kubernetes from Go modules, into a cache
      outside the checkout: about a quarter of an hour on 2 cores. After that it takes seconds.
      --gpus and --mig give the node fake NVIDIA resources, which are scheduled and counted as real ones.
  npm run cluster -- images [inference-server] [gateway] [api]
      Builds the product's images from the Dockerfile and loads them: localhost/imageplane/NAME:dev.
  npm run cluster -- kubectl get pods --all-namespaces
  npm run cluster -- helm list --all-namespaces
      Run with the cluster's kubeconfig; everything after the word is theirs.
  npm run cluster -- status
  npm run cluster -- logs [COMPONENT]
      Without a name: which logs there are.
  npm run cluster -- down
      Leaves nothing but the cache. Also right after a crash, and as often as you like.
  npm run cluster -- build
      Only builds the binaries.
  npm run cluster -- test [--kubeconfig FILE]
      Runs the cluster's own tests; with --kubeconfig those that any cluster can pass, on that one: no root
      and no build of Kubernetes needed. Its nodes must have the product's images.

  --name NAME (before the command): which cluster; several can run side by side. Default: default.

  IMAGEPLANE_CACHE     the cache's folder instead of /var/cache/imageplane (root) or ~/.cache/imageplane
  KUBEBUILDER_ASSETS   a folder with etcd, kube-apiserver and kubectl to use instead of building them

How it works, and its traps: docs/guides/cluster.md
`;
