import { messageOf } from '../../foundation/errors.ts';
import { labels, MANAGED_BY } from '../../contracts/workload.ts';
import { kinds } from '../kinds.ts';
import type { Applier } from '../runtime/apply.ts';
import type { Client, KubernetesObject } from '../runtime/types.ts';
import { informerOf, type Informers } from '../stores.ts';
import { type Child, controllerOf, isControlledBy, type Owner } from './child.ts';
import { withoutForeign } from './foreign.ts';

/** A child that could not be made so. `reason` is the API server's word, such as Forbidden, or one of ours. */
export interface ChildFailure {
  kind: string;
  name: string;
  reason: string;
  message: string;
  cause: Error;
}

export interface ApplyContext {
  client: Client;
  applier: Applier;
  stores: Informers;
  owner: Owner;
  signal: AbortSignal;
}

/**
 * Makes children as they are wanted, and deletes those of `owned` that no longer are. What is right already is not
 * written. All are tried at once, except that pods come last, and only when what surrounds them stands. What failed is
 * given back, in the order of `wanted`.
 */
export async function applyChildren(
  wanted: readonly Child[],
  owned: readonly Child[],
  context: ApplyContext,
): Promise<ChildFailure[]> {
  const names = new Set(wanted.map(idOf));
  const surplus = owned.filter((child) => !names.has(idOf(child)));
  const apply = (children: readonly Child[]): Promise<ChildFailure[]> =>
    failuresOf(children, (child) => applyChild(child, context), context.signal);
  const isPods = ({ kind }: Child): boolean => kind === 'deployments';
  const failures = await apply(wanted.filter((child) => !isPods(child)));
  if (failures.length === 0) failures.push(...(await apply(wanted.filter(isPods))));
  failures.push(...(await failuresOf(surplus, (child) => deleteChild(child, context), context.signal)));
  return failures;
}

async function failuresOf(
  children: readonly Child[],
  work: (child: Child) => Promise<void>,
  signal: AbortSignal,
): Promise<ChildFailure[]> {
  const results = await Promise.allSettled(children.map((child) => work(child)));
  signal.throwIfAborted();
  return results.flatMap((result, index) => {
    const child = children[index];
    return result.status === 'fulfilled' || child === undefined ? [] : [failureOf(child, result.reason)];
  });
}

/** So that the reconcile is tried again, after its status was written. A conflict stays one. */
export function throwFirst(failures: readonly ChildFailure[]): void {
  const [failure] = failures;
  if (failure !== undefined) throw failure.cause;
}

/** Deletes a child, that very object and none of the same name that came after it. */
export async function deleteChild(
  { kind, object }: Child,
  { client, signal }: Pick<ApplyContext, 'client' | 'signal'>,
): Promise<void> {
  const { uid } = object.metadata;
  await client.delete(kinds[kind], keyOf(object), {
    signal,
    propagation: 'Background',
    ...(uid === undefined ? {} : { uid }),
  });
}

async function applyChild(child: Child, context: ApplyContext): Promise<void> {
  const { client, applier, owner, signal } = context;
  const { kind, object } = child;
  const informer = informerOf(context.stores, kind);
  const live = informer.get(keyOf(object));
  if (live !== undefined) {
    if (child.adopted !== true) refuseOthers(live, owner);
    const cleaned = withoutForeign(child, live);
    if (cleaned !== undefined) informer.observe(await client.update(kinds[kind], cleaned, { signal }));
  }
  await applier.apply(informer, object, signal);
}

function refuseOthers(live: KubernetesObject, owner: Owner): void {
  if (isControlledBy(live, owner)) return;
  const { kind, metadata } = live;
  const controller = controllerOf(live);
  // Without a controller it is ours whose owner reference somebody removed, or one that stood there before.
  if (controller === undefined && metadata.labels?.[labels.managedBy] === MANAGED_BY) return;
  const whose = controller === undefined ? 'nobody' : `${controller.kind} ${controller.name}`;
  throw new NameTakenError(
    `${kind} ${metadata.name} exists and belongs to ${whose}, not to ${owner.kind} ${owner.metadata.name}: delete or rename it`,
  );
}

class NameTakenError extends Error {
  readonly reason = 'NameTaken';
}

function failureOf({ object }: Child, error: unknown): ChildFailure {
  const reason =
    error instanceof Error && 'reason' in error && typeof error.reason === 'string' && error.reason !== ''
      ? error.reason
      : 'Unavailable';
  const cause = error instanceof Error ? error : new Error(messageOf(error));
  return { kind: object.kind, name: object.metadata.name, reason, message: cause.message, cause };
}

export function keyOf({ metadata }: KubernetesObject): { name: string; namespace?: string } {
  const { name, namespace } = metadata;
  return namespace === undefined ? { name } : { name, namespace };
}

function idOf({ kind, object }: Child): string {
  return `${kind}/${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
