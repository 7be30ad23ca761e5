/* Made by `npm run generate` from the definitions beside this file. Do not edit. */

/* Objects as the API server and crds/load.ts give them: a field with a default is always there. */

/**
 * An object of any of the four kinds.
 */
export type ImageplaneObject = Tenant | ImageService | ImageModel | ClusterImageModel;

/**
 * A tenant and its ceilings, declared by the platform team. What a tenant's own administrators decide (users, keys, projects, grants) is edited in the console and can never raise a ceiling.
 */
export interface Tenant {
  apiVersion: 'imageplane.dev/v1alpha1';
  kind: 'Tenant';
  metadata: ObjectMeta;
  spec: TenantSpec;
  status?: TenantStatus;
}
/**
 * Name, labels and annotations of the object.
 */
export interface ObjectMeta {
  /**
   * Name of the object, as lower-case letters, digits, hyphens and dots.
   */
  name: string;
  /**
   * Labels, as names and strings.
   */
  labels?: {
    [k: string]: string;
  };
  /**
   * Annotations, as names and strings.
   */
  annotations?: {
    [k: string]: string;
  };
  finalizers?: string[];
  ownerReferences?: unknown[];
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  selfLink?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  managedFields?: unknown[];
}
/**
 * What the platform team decides for this tenant.
 */
export interface TenantSpec {
  /**
   * Name shown to people, in any language. Absent, metadata.name is shown.
   */
  displayName?: string;
  /**
   * The namespace that holds the tenant's services and models. Absent, it is tenant-NAME. An existing namespace is adopted only when it carries the label imageplane.dev/tenant with this tenant's name. Cannot be changed later.
   */
  namespace?: string;
  /**
   * The plan. It sets limits.requestsPerMinute where that is absent, to 10 for free and to 500 for enterprise.
   */
  plan: 'free' | 'enterprise';
  /**
   * Which groups of the identity provider belong to this tenant, and the role that their members get. A person in several groups gets the highest role.
   *
   * @maxItems 100
   *
   * Items: One group and its role.
   */
  groups?: {
    /**
     * Name of the group, as the identity provider writes it.
     */
    name: string;
    /**
     * The built-in role of the group's members in this tenant.
     */
    role: 'tenant-admin' | 'developer' | 'editor' | 'tester' | 'viewer' | 'guest';
  }[];
  /**
   * Bounds on requests. A request over a bound is answered with status 429.
   */
  limits: {
    /**
     * Requests in any sliding minute, over all principals of the tenant. Absent, the plan decides (free 10, enterprise 500).
     */
    requestsPerMinute?: number;
    /**
     * Requests in a calendar day in UTC; 0 is no bound.
     */
    requestsPerDay: number;
    /**
     * Requests in a calendar month in UTC; 0 is no bound.
     */
    requestsPerMonth: number;
    /**
     * Requests in flight at one moment, over all services of the tenant; 0 is no bound.
     */
    concurrency: number;
    /**
     * Largest picture of one request, in millions of pixels (width times height).
     */
    megapixelsPerRequest: number;
    /**
     * Millions of pixels of input in a calendar day in UTC; 0 is no bound. A request holds its largest possible amount until what it took is known.
     */
    megapixelsPerDay: number;
    /**
     * Millions of pixels of input in a calendar month in UTC; 0 is no bound. A request holds its largest possible amount until what it took is known.
     */
    megapixelsPerMonth: number;
    /**
     * Steps of models that work in steps, such as diffusion in a calendar day in UTC; 0 is no bound. A request holds its largest possible amount until what it took is known.
     */
    stepsPerDay: number;
    /**
     * Steps of models that work in steps, such as diffusion in a calendar month in UTC; 0 is no bound. A request holds its largest possible amount until what it took is known.
     */
    stepsPerMonth: number;
    /**
     * Seconds in which a model runs in a calendar day in UTC; 0 is no bound. A request holds its largest possible amount until what it took is known.
     */
    computeSecondsPerDay: number;
    /**
     * Seconds in which a model runs in a calendar month in UTC; 0 is no bound. A request holds its largest possible amount until what it took is known.
     */
    computeSecondsPerMonth: number;
    /**
     * Bounds on each user or application of the tenant.
     */
    perUser: {
      /**
       * Requests in any sliding minute; 0 is no bound.
       */
      requestsPerMinute: number;
      /**
       * Requests in flight at one moment; 0 is no bound.
       */
      concurrency: number;
      /**
       * Millions of pixels in flight at one moment, each request counted with the largest picture that it may send; 0 is no bound.
       */
      megapixelsInFlight: number;
      /**
       * Steps in flight at one moment, likewise; 0 is no bound.
       */
      stepsInFlight: number;
    };
  };
  /**
   * What the tenant's services may occupy in the cluster at once. Absent, nothing is bounded.
   */
  quota?: {
    /**
     * Resource name to quantity, as the sum over all pods. Names are cpu, memory, storage, ephemeral-storage, and extended resources by their full name, such as nvidia.com/gpu or nvidia.com/mig-1g.10gb.
     */
    requests?: {
      /**
       * A quantity of Kubernetes that is not negative, such as 8, 500m or 32Gi.
       */
      [k: string]: number | string;
    };
    /**
     * How many ImageServices the tenant may have. Absent, any number.
     */
    services?: number;
  };
  /**
   * From where and when the tenant's services may be used. Every condition must hold.
   */
  access: {
    /**
     * Address blocks from which requests are accepted. Absent or empty, from anywhere.
     *
     * @maxItems 256
     *
     * Items: An address block such as 10.0.0.0/8 or 2001:db8::/32.
     */
    allowedCIDRs?: string[];
    /**
     * Address blocks whose requests are not counted against limits.requestsPerMinute. Day and month still count.
     *
     * @maxItems 256
     *
     * Items: An address block such as 10.0.0.0/8 or 2001:db8::/32.
     */
    unlimitedCIDRs?: string[];
    /**
     * Address blocks that count as the tenant's own network, for services with access.intranetOnly.
     *
     * @maxItems 256
     *
     * Items: An address block such as 10.0.0.0/8 or 2001:db8::/32.
     */
    intranetCIDRs?: string[];
    /**
     * When requests are accepted; one window that holds is enough. Absent or empty, always.
     *
     * @maxItems 32
     *
     * Items: Hours of some days of the week in one time zone.
     */
    timeWindows?: {
      /**
       * Days on which the window begins.
       *
       * @minItems 1
       * @maxItems 7
       *
       * Items: A day of the week, by its first three letters in English.
       */
      days: ('Mon' | 'Tue' | 'Wed' | 'Thu' | 'Fri' | 'Sat' | 'Sun')[];
      /**
       * First minute of the window, as 'HH:MM' from '00:00' to '23:59', in quotes.
       */
      from: string;
      /**
       * End of the window, not included, as 'HH:MM' from '00:00' to '24:00', in quotes. Earlier than from, it is on the next day.
       */
      to: string;
      /**
       * Time zone of from and to by its IANA name, such as Asia/Shanghai, or UTC.
       */
      timeZone: string;
    }[];
    /**
     * Who must show a second factor when logging in.
     */
    secondFactor: 'Never' | 'Administrators' | 'Always';
    /**
     * Whether local accounts without a second factor may use HTTP Basic.
     */
    basic: boolean;
    /**
     * Days after which an API key opens nothing, whatever its own end. Absent, keys may be of any age.
     */
    maxKeyAgeDays?: number;
    /**
     * What happens to requests in circumstances that are unusual for whoever makes them, such as a new network, a new device, many more requests than ever or the night.
     */
    risk: {
      /**
       * Limits leaves them a quarter of the limits. SecondFactor asks people for a second factor when several circumstances come together, and does the same as Limits to the rest. Off does nothing.
       */
      action: 'Off' | 'Limits' | 'SecondFactor';
      /**
       * Time zone by its IANA name in which the night is from 22:00 to 06:00.
       */
      timeZone: string;
    };
  };
  /**
   * Which models of the platform the tenant may use.
   */
  models?: {
    /**
     * Names of ClusterImageModels. Absent, all of them; an empty list, none. ImageModels of the tenant's own namespace are not concerned.
     *
     * @maxItems 500
     *
     * Items: metadata.name of a ClusterImageModel.
     */
    allowed?: string[];
  };
  /**
   * Marks that every result of the tenant's services carries.
   */
  content?: {
    /**
     * Text drawn into a corner of generated pictures, such as a notice that they were generated. Absent, none.
     */
    visibleMark?: string;
    /**
     * true puts an invisible watermark with the owner's id into every result.
     */
    watermark: boolean;
  };
  /**
   * How long records and results are kept. They are deleted afterwards.
   */
  retention: {
    /**
     * Days for which audit records are kept, 180 at least.
     */
    auditDays: number;
    /**
     * Days for which result pictures and the history of jobs are kept.
     */
    resultsDays: number;
    /**
     * Days for which single usage events are kept, 62 at least so that a month can be reconciled. Sums per day are kept for good.
     */
    usageDays: number;
  };
  /**
   * What the tenant's pods may reach. DNS, the model store and the usage intake are always reachable; nothing else is unless it stands here.
   */
  network?: {
    /**
     * Address blocks that pods of the tenant's services may connect to.
     *
     * @maxItems 64
     *
     * Items: An address block such as 203.0.113.0/24 or 2001:db8::/32.
     */
    egressCIDRs?: string[];
  };
}
/**
 * What the operator and the API observed. Written by them alone.
 */
export interface TenantStatus {
  /**
   * metadata.generation that this status describes.
   */
  observedGeneration?: number;
  /**
   * The namespace that holds the tenant's services and models.
   */
  namespace?: string;
  /**
   * How much of spec.quota is in use.
   */
  quota?: {
    /**
     * Resource name to quantity in use.
     */
    used?: {
      /**
       * A quantity of Kubernetes.
       */
      [k: string]: number | string;
    };
    /**
     * How many ImageServices the tenant has.
     */
    services?: number;
  };
  /**
   * What was charged, written by the API alone.
   */
  usage?: {
    /**
     * The current day in UTC.
     */
    day?: {
      /**
       * The day, such as 2026-11-24.
       */
      period: string;
      /**
       * Requests charged.
       */
      requests: number;
      /**
       * Millions of pixels of input, rounded down.
       */
      megapixels: number;
      /**
       * Seconds in which a model ran, rounded down.
       */
      computeSeconds: number;
    };
    /**
     * The current month in UTC.
     */
    month?: {
      /**
       * The month, such as 2026-11.
       */
      period: string;
      /**
       * Requests charged.
       */
      requests: number;
      /**
       * Millions of pixels of input, rounded down.
       */
      megapixels: number;
      /**
       * Seconds in which a model ran, rounded down.
       */
      computeSeconds: number;
    };
    /**
     * When these sums were read.
     */
    observedAt?: string;
  };
  /**
   * Ready, Reconciling and Stalled as kstatus means them, and others with reasons that a person can act on.
   *
   * @maxItems 32
   */
  conditions?: Condition[];
}
/**
 * One condition.
 */
export interface Condition {
  /**
   * Name of the condition, such as Ready.
   */
  type: string;
  /**
   * Whether it holds.
   */
  status: 'True' | 'False' | 'Unknown';
  /**
   * metadata.generation that the condition describes.
   */
  observedGeneration?: number;
  /**
   * When status last changed.
   */
  lastTransitionTime: string;
  /**
   * A stable word for why.
   */
  reason: string;
  /**
   * A sentence that says what happened and what to do next.
   */
  message: string;
}
/**
 * A service of one tenant behind the gateway, at /s/TENANT/NAME. Either Imageplane's inference server with a model, or a container that listens on port 7860.
 */
export interface ImageService {
  apiVersion: 'imageplane.dev/v1alpha1';
  kind: 'ImageService';
  metadata: NamespacedObjectMeta;
  spec: ImageServiceSpec;
  status?: ImageServiceStatus;
}
/**
 * Name, labels and annotations of the object.
 */
export interface NamespacedObjectMeta {
  /**
   * Name of the object, as lower-case letters, digits, hyphens and dots.
   */
  name: string;
  /**
   * Namespace of the tenant that the object belongs to: tenant-NAME, unless the Tenant says another.
   */
  namespace: string;
  /**
   * Labels, as names and strings.
   */
  labels?: {
    [k: string]: string;
  };
  /**
   * Annotations, as names and strings.
   */
  annotations?: {
    [k: string]: string;
  };
  finalizers?: string[];
  ownerReferences?: unknown[];
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  selfLink?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  managedFields?: unknown[];
}
/**
 * What the tenant's developers decide for this service.
 */
export interface ImageServiceSpec {
  /**
   * Name shown to people, in any language. Absent, metadata.name is shown.
   */
  displayName?: string;
  /**
   * What answers requests. onnx is Imageplane's inference server with the model of modelRef; container is an image that listens on port 7860, such as a Gradio page.
   */
  engine: 'onnx' | 'container';
  /**
   * What the service does, for the console and for reports. Absent with engine onnx, it is the model's; given, it must equal the model's.
   */
  task?:
    | 'background-removal'
    | 'face-swap'
    | 'image-to-image'
    | 'inpainting'
    | 'super-resolution'
    | 'tensor-inference'
    | 'text-to-image';
  modelRef?: ModelRef;
  /**
   * The container of engine container. The gateway adds the headers X-User-ID, X-User-Name and X-Department (percent-encoded UTF-8) to each request, and removes any that a client sent.
   */
  container?: {
    /**
     * Image reference, such as registry.example/team/gradio-app:1.4 or one with @sha256:DIGEST. It must listen on port 7860.
     */
    image?: string;
    /**
     * Base URL of a process that already runs on this machine, such as http://127.0.0.1:7861. It is honoured only on one machine without Kubernetes; on Kubernetes the service is Stalled with a reason that says so.
     */
    localURL?: string;
    /**
     * Arguments for the image's entry point.
     *
     * @maxItems 64
     *
     * Items: One argument.
     */
    args?: string[];
    /**
     * Environment variables. They are visible to everyone who may read the object, so no secrets.
     *
     * @maxItems 64
     *
     * Items: One environment variable.
     */
    env?: {
      /**
       * Name of the variable, as letters, digits and underscores.
       */
      name: string;
      /**
       * Value of the variable; quote it when it looks like a number or true.
       */
      value: string;
    }[];
  };
  /**
   * Number of pods; 0 stops the service. Absent without autoscaling, 1.
   */
  replicas?: number;
  /**
   * Lets the number of pods follow the load, instead of replicas.
   */
  autoscaling?: {
    /**
     * Pods that are always there; 0 lets the service scale to none, and the first request then waits for a pod.
     */
    minReplicas: number;
    /**
     * Pods at most.
     */
    maxReplicas: number;
    /**
     * Requests in flight or waiting per pod that scaling aims at.
     */
    targetInFlight: number;
    /**
     * Seconds for which fewer pods must have been enough before one is removed.
     */
    scaleDownDelaySeconds: number;
  };
  /**
   * GPUs of each replica. Absent, none. A rollout of a service with a GPU removes an old pod before it starts a new one.
   */
  gpu?: {
    /**
     * How many of the resource each replica gets.
     */
    count: number;
    /**
     * Extended resource to ask for. Absent without profile, nvidia.com/gpu.
     */
    resourceName?: string;
    /**
     * MIG profile such as 1g.10gb, which asks for nvidia.com/mig-1g.10gb.
     */
    profile?: string;
  };
  /**
   * What runs the graph of engine onnx. There is no silent fall-back, so one that the machine lacks makes the service fail with a reason. Absent, cuda with gpu and cpu without.
   */
  executionProvider?: 'cpu' | 'cuda' | 'tensorrt' | 'webgpu';
  /**
   * CPU and memory of each replica. Absent with engine onnx, what the model says it needs.
   */
  resources?: {
    /**
     * Resource name to quantity that is set aside, for cpu, memory and ephemeral-storage.
     */
    requests?: {
      /**
       * A quantity of Kubernetes that is not negative, such as 2, 500m or 4Gi.
       */
      [k: string]: number | string;
    };
    /**
     * Resource name to quantity that is never exceeded, for cpu, memory and ephemeral-storage.
     */
    limits?: {
      /**
       * A quantity of Kubernetes that is not negative, such as 2, 500m or 4Gi.
       */
      [k: string]: number | string;
    };
  };
  /**
   * On which nodes the pods run.
   */
  scheduling?: {
    /**
     * Labels that a node must carry.
     */
    nodeSelector?: {
      /**
       * Value of the label; quote it when it looks like a number or true.
       */
      [k: string]: string;
    };
    /**
     * Taints of nodes that the pods tolerate.
     *
     * @maxItems 16
     *
     * Items: One toleration, as in a pod.
     */
    tolerations?: {
      /**
       * Key of the taint. Absent with operator Exists, every key.
       */
      key?: string;
      /**
       * Equal compares key and value; Exists is satisfied by the key alone.
       */
      operator: 'Equal' | 'Exists';
      /**
       * Value of the taint.
       */
      value?: string;
      /**
       * Effect of the taint. Absent, every effect.
       */
      effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
      /**
       * Seconds for which a NoExecute taint is tolerated.
       */
      tolerationSeconds?: number;
    }[];
    /**
     * Name of a PriorityClass of the cluster.
     */
    priorityClassName?: string;
  };
  /**
   * A second model that gets part of the requests. It gets none before it is ready.
   */
  canary?: {
    modelRef: ModelRef;
    /**
     * Percentage of requests that go to the canary; 0 starts it without any.
     */
    weight: number;
  };
  /**
   * Conditions of this service, besides those of the tenant.
   */
  access: {
    /**
     * The lowest role whose members may call the service. Absent, whoever has the permission by role or grant.
     */
    minimumRole?: 'tenant-admin' | 'developer' | 'editor' | 'tester' | 'viewer' | 'guest';
    /**
     * Address blocks from which requests are accepted, within those of the tenant. Absent or empty, all of the tenant's.
     *
     * @maxItems 256
     *
     * Items: An address block such as 10.0.0.0/8 or 2001:db8::/32.
     */
    allowedCIDRs?: string[];
    /**
     * true accepts requests only from the tenant's spec.access.intranetCIDRs.
     */
    intranetOnly: boolean;
    /**
     * When requests are accepted, within the hours of the tenant; one window that holds is enough. Absent or empty, always.
     *
     * @maxItems 32
     *
     * Items: Hours of some days of the week in one time zone.
     */
    timeWindows?: {
      /**
       * Days on which the window begins.
       *
       * @minItems 1
       * @maxItems 7
       *
       * Items: A day of the week, by its first three letters in English.
       */
      days: ('Mon' | 'Tue' | 'Wed' | 'Thu' | 'Fri' | 'Sat' | 'Sun')[];
      /**
       * First minute of the window, as 'HH:MM' from '00:00' to '23:59', in quotes.
       */
      from: string;
      /**
       * End of the window, not included, as 'HH:MM' from '00:00' to '24:00', in quotes. Earlier than from, it is on the next day.
       */
      to: string;
      /**
       * Time zone of from and to by its IANA name, such as Asia/Shanghai, or UTC.
       */
      timeZone: string;
    }[];
    /**
     * true accepts only people who have signed in with a second factor. API keys are one factor.
     */
    secondFactor: boolean;
    /**
     * Days after which an API key does not open the service. Absent, keys may be of any age.
     */
    maxKeyAgeDays?: number;
  };
  /**
   * Bounds on requests of all principals together, besides those of the tenant. A request over a bound is answered with status 429.
   */
  limits: {
    /**
     * Requests in any sliding minute; 0 is no bound.
     */
    requestsPerMinute: number;
    /**
     * Requests in flight at one moment, over all replicas; 0 is no bound.
     */
    concurrency: number;
  };
  /**
   * The bounded queue in front of each replica's model.
   */
  queue: {
    /**
     * Requests that may wait; the next one is answered with status 429.
     */
    depth: number;
    /**
     * Seconds after which a request that is not done is ended, waiting included.
     */
    deadlineSeconds: number;
  };
  /**
   * Largest request body, in units of 1,048,576 bytes.
   */
  maxBodyMegabytes: number;
  /**
   * A cache of results of engine onnx by model digest, parameters and input, within the tenant. Absent, there is none.
   */
  cache?: {
    /**
     * true keeps results and answers equal requests from them.
     */
    enabled: boolean;
    /**
     * Memory for results in each replica, in units of 1,048,576 bytes.
     */
    maxMegabytes: number;
    /**
     * Seconds for which a result may be answered again.
     */
    ttlSeconds: number;
  };
  /**
   * Seconds without a request after which engine onnx unloads the model, to load it again at the next one; 0 keeps it loaded.
   */
  idleUnloadSeconds: number;
}
/**
 * The model that engine onnx serves.
 */
export interface ModelRef {
  /**
   * ClusterImageModel for a model of the platform, ImageModel for one of this namespace.
   */
  kind: 'ClusterImageModel' | 'ImageModel';
  /**
   * metadata.name of the model.
   */
  name: string;
}
/**
 * What the operator observed. Written by it alone.
 */
export interface ImageServiceStatus {
  /**
   * metadata.generation that this status describes.
   */
  observedGeneration?: number;
  /**
   * Where clients find the service.
   */
  url?: string;
  /**
   * Digest of the model that is served, as in the model's status.
   */
  modelDigest?: string;
  /**
   * Digest of the canary's model, while there is one.
   */
  canaryDigest?: string;
  /**
   * Pods that exist.
   */
  replicas?: number;
  /**
   * Pods that answer.
   */
  readyReplicas?: number;
  /**
   * Label selector of the pods, for the scale subresource.
   */
  selector?: string;
  /**
   * Ready, Reconciling and Stalled as kstatus means them, and others with reasons that a person can act on.
   *
   * @maxItems 32
   */
  conditions?: Condition[];
}
/**
 * A model that the tenant of this namespace brings: its files with their digests, its licence, and the constants of its pipeline. Its fields are those of ClusterImageModel.
 */
export interface ImageModel {
  apiVersion: 'imageplane.dev/v1alpha1';
  kind: 'ImageModel';
  metadata: NamespacedObjectMeta;
  spec: ImageModelSpec;
  status?: ImageModelStatus;
}
/**
 * The model.
 */
export interface ImageModelSpec {
  /**
   * Name shown to people, in any language. Absent, metadata.name is shown.
   */
  displayName?: string;
  /**
   * What the model does. background-removal cuts out the subject; tensor-inference is any graph that is called with tensors.
   */
  task:
    | 'background-removal'
    | 'face-swap'
    | 'image-to-image'
    | 'inpainting'
    | 'super-resolution'
    | 'tensor-inference'
    | 'text-to-image';
  /**
   * The architecture, such as isnet, u2net or birefnet, in lower case. It is a name for people; what counts is pipeline.
   */
  family: string;
  /**
   * The files of the model; the one named model.onnx, or else the first, is the graph. A file with other bytes is another model, so names and digests cannot be changed, only where the bytes come from.
   *
   * @minItems 1
   * @maxItems 32
   */
  files: ModelFile[];
  license: ModelLicense;
  /**
   * Number format of the weights.
   */
  precision: 'fp32' | 'fp16' | 'bf16' | 'int8' | 'uint8' | 'int4' | 'mixed';
  pipeline?: ModelPipeline;
  /**
   * What one process of this model needs, for services that do not say it themselves.
   */
  resources?: {
    /**
     * CPU, such as 2 or 1500m.
     */
    cpu?: number | string;
    /**
     * Memory at its peak, such as 2Gi.
     */
    memory?: number | string;
    /**
     * Memory of the GPU at its peak, such as 4Gi, where a GPU is used.
     */
    gpuMemory?: number | string;
  };
}
/**
 * One file.
 */
export interface ModelFile {
  /**
   * File name under which the model finds it, such as model.onnx. No folders.
   */
  name: string;
  /**
   * Where the bytes come from, as https://HOST/PATH, s3://BUCKET/KEY, file:PATH (a file that the model store itself can read), or npm:PACKAGE@VERSION/PATH#MEMBER (a file in an npm package; with
   */
  source: string;
  /**
   * SHA-256 of the whole file, as 64 lower-case hexadecimal digits. A file with another digest is never loaded.
   */
  sha256: string;
  /**
   * Size of the whole file in bytes.
   */
  size: number;
}
/**
 * On what terms the weights may be used.
 */
export interface ModelLicense {
  /**
   * Licence of the weights by its SPDX identifier, such as MIT or Apache-2.0, or LicenseRef-NAME for one that SPDX does not list.
   */
  spdx: string;
  /**
   * true when the licence allows commercial use, else false.
   */
  commercialUse: boolean;
  /**
   * Who states the licence and where, so that it can be checked, as a URL or a sentence.
   */
  source: string;
  /**
   * Text to show with the model, such as attributions, and the licence of a package that carries the weights.
   */
  notice?: string;
  /**
   * true when a service with this model stays unavailable until an administrator of the tenant has accepted the terms in the console.
   */
  acknowledgementRequired: boolean;
}
/**
 * Constants of what happens before and after the graph.
 */
export interface ModelPipeline {
  /**
   * Size to which the picture is resampled before the graph.
   */
  size: {
    /**
     * Width in pixels.
     */
    width: number;
    /**
     * Height in pixels.
     */
    height: number;
  };
  /**
   * Mean of red, green and blue that is subtracted from values scaled to at most 1.
   *
   * @minItems 3
   * @maxItems 3
   *
   * Items: Mean of one channel.
   */
  mean: [number, number, number];
  /**
   * Standard deviation of red, green and blue by which values are divided after the mean is subtracted, each above 0.
   *
   * @minItems 3
   * @maxItems 3
   *
   * Items: Standard deviation of one channel, above 0.
   */
  std: [number, number, number];
  /**
   * Function applied to the first output, channel 0, before it is stretched to the range from 0 to 1.
   */
  activation: 'none' | 'sigmoid';
  /**
   * For a graph with one channel a class, where a pixel belongs to the class with the largest value. Each entry is a mask that can be asked for; absent, the first channel is the only mask.
   *
   * @minItems 1
   * @maxItems 32
   *
   * Items: A mask, made of one or several classes.
   */
  classes?: {
    /**
     * By what a request asks for it.
     */
    name: string;
    /**
     * Channels that belong to the mask, counted from 0.
     *
     * @minItems 1
     * @maxItems 64
     *
     * Items: One channel.
     */
    values: number[];
    /**
     * Whether the mask is part of the answer, stacked from top to bottom, to a request that asks for none by name.
     */
    byDefault: boolean;
  }[];
}
/**
 * What the operator observed. Written by it alone.
 */
export interface ImageModelStatus {
  /**
   * metadata.generation that this status describes.
   */
  observedGeneration?: number;
  /**
   * SHA-256 of the only file, or, of several, of their lines "SHA256  NAME" in the order of their names.
   */
  digest?: string;
  /**
   * How many ImageServices name the model.
   */
  services?: number;
  /**
   * Ready, Reconciling and Stalled as kstatus means them, and others with reasons that a person can act on.
   *
   * @maxItems 32
   */
  conditions?: Condition[];
}
/**
 * A model of the platform, for every tenant whose spec.models allows it: its files with their digests, its licence, and the constants of its pipeline. Its fields are those of ImageModel.
 */
export interface ClusterImageModel {
  apiVersion: 'imageplane.dev/v1alpha1';
  kind: 'ClusterImageModel';
  metadata: ObjectMeta;
  spec: ImageModelSpec;
  status?: ImageModelStatus;
}
