import { parseArgs } from 'node:util';
import { messageOf } from '../../foundation/errors.ts';
import { startApiServer } from './apiserver.ts';

const HELP = `etcd and a real kube-apiserver alone, without root: for trying CRDs and operators, which need no node.

Usage: npm run apiserver

Prints the kubeconfig and runs until Ctrl-C, which leaves nothing. Several can run side by side.
The first time it builds both binaries from Go modules into the cache, which takes some minutes; binaries on
the PATH or in KUBEBUILDER_ASSETS are used instead when their version fits. On another cluster, use that
one's kubeconfig: nothing of this is needed then.`;

function wantsHelp(): boolean {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help === true;
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

if (wantsHelp()) {
  console.log(HELP);
} else {
  try {
    const started = performance.now();
    const server = await startApiServer();
    console.log(`Ready after ${((performance.now() - started) / 1000).toFixed(1)} s at ${server.url}\n`);
    console.log(`export KUBECONFIG=${server.kubeconfig}\nkubectl apply -f crds/ --server-side\n`);
    console.log('Ctrl-C ends it and removes everything.');
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        void server.stop().then(() => process.exit());
      });
  } catch (error) {
    console.error(messageOf(error));
    process.exit(1);
  }
}
