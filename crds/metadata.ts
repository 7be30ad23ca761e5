import type { Schema } from './crd.ts';

const text: Schema = { type: 'string' };
const texts: Schema = { type: 'object', additionalProperties: text };
const anything: Schema = { 'x-kubernetes-preserve-unknown-fields': true };

/** ObjectMeta as a person may write it, and what `kubectl get -o yaml` adds to it. */
export function metadataSchema(scope: 'Cluster' | 'Namespaced'): Schema {
  const namespaced = scope === 'Namespaced';
  return {
    type: 'object',
    description: 'Name, labels and annotations of the object.',
    required: namespaced ? ['name', 'namespace'] : ['name'],
    properties: {
      name: {
        type: 'string',
        description: 'Name of the object, as lower-case letters, digits, hyphens and dots.',
        maxLength: 253,
        pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
      },
      ...(namespaced
        ? {
            namespace: {
              type: 'string',
              description:
                'Namespace of the tenant that the object belongs to: tenant-NAME, unless the Tenant says another.',
              maxLength: 63,
              pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
            } satisfies Schema,
          }
        : {}),
      labels: { ...texts, description: 'Labels, as names and strings.' },
      annotations: { ...texts, description: 'Annotations, as names and strings.' },
      finalizers: { type: 'array', items: text },
      ownerReferences: { type: 'array', items: anything },
      generateName: text,
      uid: text,
      resourceVersion: text,
      selfLink: text,
      generation: { type: 'integer' },
      creationTimestamp: text,
      deletionTimestamp: text,
      deletionGracePeriodSeconds: { type: 'integer' },
      managedFields: { type: 'array', items: anything },
    },
  };
}
