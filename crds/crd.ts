import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';

/** A value as JSON has it, which is what the API server makes of YAML. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export interface Rule {
  rule: string;
  message: string;
}

/** The part of a structural schema of apiextensions.k8s.io/v1 that our definitions use. */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  description?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  items?: Schema;
  required?: string[];
  default?: Json;
  enum?: string[];
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  'x-kubernetes-int-or-string'?: true;
  'x-kubernetes-preserve-unknown-fields'?: true;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-validations'?: Rule[];
}

export interface PrinterColumn {
  name: string;
  type: string;
  description?: string;
  priority?: number;
  jsonPath: string;
}

interface CrdVersion {
  name: string;
  schema: { openAPIV3Schema: Schema };
  additionalPrinterColumns: PrinterColumn[];
}

export interface Crd {
  spec: {
    group: string;
    scope: 'Cluster' | 'Namespaced';
    names: { kind: string; plural: string; singular: string; shortNames: string[] };
    versions: [CrdVersion];
  };
}

export const KINDS = ['Tenant', 'ImageService', 'ImageModel', 'ClusterImageModel'] as const;
export type Kind = (typeof KINDS)[number];
export const API_VERSION = 'imageplane.dev/v1alpha1';

const files: Record<Kind, string> = {
  Tenant: 'tenants.yaml',
  ImageService: 'imageservices.yaml',
  ImageModel: 'imagemodels.yaml',
  ClusterImageModel: 'clusterimagemodels.yaml',
};

export type Crds = Record<Kind, Crd>;

/** The definitions that stand beside this file. They are ours, so their shape is taken as written; a test checks it. */
export async function readCrds(): Promise<Crds> {
  const read = async (kind: Kind): Promise<Crd> =>
    parse(await readFile(new URL(files[kind], import.meta.url), 'utf8')) as Crd;
  const [Tenant, ImageService, ImageModel, ClusterImageModel] = await Promise.all([
    read('Tenant'),
    read('ImageService'),
    read('ImageModel'),
    read('ClusterImageModel'),
  ]);
  return { Tenant, ImageService, ImageModel, ClusterImageModel };
}

export function schemaOf(crd: Crd): Schema {
  return crd.spec.versions[0].schema.openAPIV3Schema;
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
