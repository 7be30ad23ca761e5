import type { Json, JsonObject } from './crd.ts';

/** Small valid objects for tests, as a person would write them, without defaults. */
export const samples = {
  tenant: {
    apiVersion: 'imageplane.dev/v1alpha1',
    kind: 'Tenant',
    metadata: { name: 'demo' },
    spec: {},
  },
  onnx: {
    apiVersion: 'imageplane.dev/v1alpha1',
    kind: 'ImageService',
    metadata: { name: 'cutout', namespace: 'tenant-demo' },
    spec: { engine: 'onnx', modelRef: { name: 'tiny' } },
  },
  container: {
    apiVersion: 'imageplane.dev/v1alpha1',
    kind: 'ImageService',
    metadata: { name: 'page', namespace: 'tenant-demo' },
    spec: { engine: 'container', container: { image: 'registry.example/team/page:1.4' } },
  },
  model: {
    apiVersion: 'imageplane.dev/v1alpha1',
    kind: 'ClusterImageModel',
    metadata: { name: 'tiny' },
    spec: {
      task: 'background-removal',
      family: 'isnet',
      files: [
        {
          name: 'model.onnx',
          source: 'https://models.example/tiny.onnx',
          sha256: 'a'.repeat(64),
          size: 1000,
        },
      ],
      license: { spdx: 'MIT', commercialUse: true, source: 'https://models.example/LICENSE' },
      precision: 'fp32',
      pipeline: { size: { width: 64, height: 64 }, mean: [0, 0, 0], std: [1, 1, 1] },
    },
  },
} satisfies Record<string, JsonObject>;

export type SampleName = keyof typeof samples;

/** A copy of a sample in which what stands at each dotted path is replaced; undefined removes it. */
export function sample(name: SampleName, changes: Record<string, Json | undefined> = {}): JsonObject {
  const object: JsonObject = structuredClone(samples[name]);
  for (const [path, value] of Object.entries(changes)) {
    const parts = path.split('.');
    const last = parts.pop() ?? '';
    let at: Record<string, Json> = object;
    for (const part of parts) {
      at[part] ??= {};
      at = at[part] as Record<string, Json>;
    }
    if (value === undefined) Reflect.deleteProperty(at, last);
    else at[last] = value;
  }
  return object;
}

/** A mistake that people make: the sample and what is changed in it, and words that the refusal must have. */
export interface Refusal {
  mistake: string;
  sample: SampleName;
  changes: Record<string, Json | undefined>;
  field: string;
  says: string[];
}

/** Makes refusals of one sample: the mistake, the changes, the field of the message, and words it must have. */
export const refusalsOf =
  (sampleName: SampleName) =>
  (
    mistake: string,
    changes: Record<string, Json | undefined>,
    field: string,
    ...says: string[]
  ): Refusal => ({ mistake, sample: sampleName, changes, field, says });
