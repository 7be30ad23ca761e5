import { type ApiServer, connectApiServer, startApiServer } from './apiserver.ts';

/** Path of the kubeconfig of a cluster to test on. */
export const VARIABLE = 'IMAGEPLANE_TEST_KUBECONFIG';

/**
 * The API server that tests of definitions and controllers run on: the one of the kubeconfig that
 * IMAGEPLANE_TEST_KUBECONFIG names, or else one of its own. On somebody's cluster tests use names of their own and
 * remove what they made.
 */
export async function apiServerForTests(): Promise<ApiServer> {
  const given = process.env[VARIABLE];
  return given === undefined || given === '' ? startApiServer() : connectApiServer(given);
}
