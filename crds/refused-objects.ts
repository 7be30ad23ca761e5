import type { Json } from './crd.ts';
import { type Refusal, refusalsOf } from './sample-objects.ts';

const tenant = refusalsOf('tenant');
const model = refusalsOf('model');

const file = (changes: Record<string, Json>): Json => [
  {
    name: 'model.onnx',
    source: 'https://models.example/tiny.onnx',
    sha256: 'a'.repeat(64),
    size: 1,
    ...changes,
  },
];
const window = (changes: Record<string, Json>): Json => [
  { days: ['Mon'], from: '08:00', to: '18:00', ...changes },
];
const NPM = 'npm:PACKAGE@1.2.3/PATH';

/** Mistakes that people make in a Tenant and in a model. */
export const refusals: Refusal[] = [
  tenant('a name that is no label', { 'metadata.name': 'demo.one' }, '', 'at most 45 lower-case letters'),
  tenant('a name that begins with a digit', { 'metadata.name': '1demo' }, '', 'beginning with a letter'),
  tenant('a name too long for its namespace', { 'metadata.name': 'a'.repeat(46) }, '', 'at most 45'),
  tenant('a name in capitals', { 'metadata.name': 'Demo' }, 'metadata.name', 'lower-case letters'),
  tenant('no name', { 'metadata.name': undefined }, 'metadata.name', 'is missing'),
  tenant('a namespace of its own', { 'metadata.namespace': 'x' }, 'metadata.namespace', 'unknown field'),
  tenant('no spec', { spec: undefined }, 'spec', 'is missing'),
  tenant('a list as spec', { spec: [] }, 'spec', 'must be a block of fields, not a list'),
  tenant('a mistyped field', { 'spec.limit': {} }, 'spec.limit', 'did you mean "limits"?', 'plan'),
  tenant(
    'an unknown plan',
    { 'spec.plan': 'entreprise' },
    'spec.plan',
    'did you mean "enterprise"',
    'free, enterprise',
  ),
  tenant(
    "the cluster's namespace",
    { 'spec.namespace': 'kube-system' },
    'spec.namespace',
    'write another name',
  ),
  tenant(
    "Imageplane's namespace",
    { 'spec.namespace': 'imageplane-dmz' },
    'spec.namespace',
    'leave namespace out',
  ),
  tenant(
    'an empty display name',
    { 'spec.displayName': '' },
    'spec.displayName',
    'is empty',
    'Name shown to people',
  ),
  tenant(
    'no requests a minute',
    { 'spec.limits.requestsPerMinute': 0 },
    'spec.limits.requestsPerMinute',
    'from 1 to 1000000',
  ),
  tenant(
    'a half request',
    { 'spec.limits.requestsPerDay': 0.5 },
    'spec.limits.requestsPerDay',
    'a whole number',
  ),
  tenant(
    'a day larger than its month',
    { 'spec.limits': { requestsPerDay: 10, requestsPerMonth: 5 } },
    'spec.limits',
    'at least requestsPerDay, or 0',
  ),
  tenant(
    'a group twice',
    {
      'spec.groups': [
        { name: 'a', role: 'viewer' },
        { name: 'a', role: 'guest' },
      ],
    },
    'spec.groups[1]',
    'first as spec.groups[0]',
    'remove one',
  ),
  tenant(
    'a platform role for a group',
    { 'spec.groups': [{ name: 'a', role: 'platform-admin' }] },
    'spec.groups[0].role',
    'tenant-admin, developer',
  ),
  tenant(
    'a group without role',
    { 'spec.groups': [{ name: 'a' }] },
    'spec.groups[0].role',
    'is missing; write one of',
  ),
  tenant(
    'an unknown resource',
    { 'spec.quota.requests': { gpu: 1 } },
    'spec.quota.requests',
    'nvidia.com/gpu',
  ),
  tenant(
    'half a GPU',
    { 'spec.quota.requests': { 'nvidia.com/gpu': '500m' } },
    'spec.quota.requests',
    'write 2, not 1500m',
  ),
  tenant(
    'a negative quantity',
    { 'spec.quota.requests': { cpu: '-1' } },
    'spec.quota.requests.cpu',
    'not negative, such as 8',
  ),
  tenant(
    'a negative number of CPUs',
    { 'spec.quota.requests': { cpu: -1 } },
    'spec.quota.requests.cpu',
    'not negative, such as 8',
  ),
  tenant(
    'a quantity in bytes with a word',
    { 'spec.quota.requests': { memory: '32 GB' } },
    'spec.quota.requests.memory',
    '32Gi',
  ),
  tenant(
    'an address without prefix',
    { 'spec.access.allowedCIDRs': ['10.0.0.1'] },
    'spec.access.allowedCIDRs[0]',
    '192.0.2.7/32',
  ),
  tenant(
    'a prefix too long',
    { 'spec.access.unlimitedCIDRs': ['10.0.0.0/33'] },
    'spec.access.unlimitedCIDRs[0]',
    '10.0.0.0/8',
  ),
  tenant(
    'an IPv4 address in the clothes of IPv6',
    { 'spec.access.allowedCIDRs': ['::ffff:10.0.0.0/104'] },
    'spec.access.allowedCIDRs[0]',
    '10.0.0.0/8',
  ),
  tenant(
    'an address block twice',
    { 'spec.access.intranetCIDRs': ['10.0.0.0/8', '10.0.0.0/8'] },
    'spec.access.intranetCIDRs[1]',
    'remove one',
  ),
  tenant(
    'egress to a host name',
    { 'spec.network.egressCIDRs': ['example.com'] },
    'spec.network.egressCIDRs[0]',
    '203.0.113.0/24',
  ),
  tenant(
    'a day in full',
    { 'spec.access.timeWindows': window({ days: ['Monday'] }) },
    'spec.access.timeWindows[0].days[0]',
    'Mon, Tue',
  ),
  tenant(
    'an hour without minutes',
    { 'spec.access.timeWindows': window({ from: '8' }) },
    'spec.access.timeWindows[0].from',
    "'HH:MM'",
  ),
  tenant(
    'an empty window',
    { 'spec.access.timeWindows': window({ to: '08:00' }) },
    'spec.access.timeWindows[0]',
    'from 00:00 to 24:00',
  ),
  tenant(
    'a time zone by offset',
    { 'spec.access.timeWindows': window({ timeZone: 'UTC+8' }) },
    'spec.access.timeWindows[0].timeZone',
    'Asia/Shanghai',
  ),
  tenant(
    'a second factor as a boolean',
    { 'spec.access.secondFactor': true },
    'spec.access.secondFactor',
    'Never, Administrators, Always',
  ),
  tenant(
    'too short an audit',
    { 'spec.retention.auditDays': 90 },
    'spec.retention.auditDays',
    'from 180 to 3660',
    '180 at least',
  ),
  tenant(
    'yes for true',
    { 'spec.content.watermark': 'yes' },
    'spec.content.watermark',
    'must be true or false, not "yes"',
  ),

  model('no files', { 'spec.files': [] }, 'spec.files', 'fewer than 1'),
  model(
    'a file without digest',
    { 'spec.files': [{ name: 'a', source: 'file:a', size: 1 }] },
    'spec.files[0].sha256',
    'is missing',
    '64 lower-case hexadecimal digits',
  ),
  model(
    'a digest in capitals',
    { 'spec.files': file({ sha256: 'A'.repeat(64) }) },
    'spec.files[0].sha256',
    '64 lower-case hexadecimal digits',
  ),
  model(
    'a size of nothing',
    { 'spec.files': file({ size: 0 }) },
    'spec.files[0].size',
    'Size of the whole file in bytes',
  ),
  model(
    'a file name with a folder',
    { 'spec.files': file({ name: 'a/b' }) },
    'spec.files[0].name',
    'No folders',
  ),
  model(
    'plain http',
    { 'spec.files': file({ source: 'http://models.example/a' }) },
    'spec.files[0].source',
    'https://HOST/PATH, s3://BUCKET/KEY, file:PATH',
  ),
  model(
    'a password in a source',
    { 'spec.files': file({ source: 'https://me:pw@models.example/a' }) },
    'spec.files[0].source',
    'no user, password',
  ),
  model(
    'a bucket without key',
    { 'spec.files': file({ source: 's3://bucket' }) },
    'spec.files[0].source',
    's3://BUCKET/KEY',
  ),
  model(
    'a file on a host',
    { 'spec.files': file({ source: 'file://host/a' }) },
    'spec.files[0].source',
    'file:///FOLDER/FILE',
  ),
  model(
    'a path that climbs',
    { 'spec.files': file({ source: 'file:///models/../etc/passwd' }) },
    'spec.files[0].source',
    'may not climb',
  ),
  model(
    'a range of versions',
    { 'spec.files': file({ source: 'npm:pkg@^1.2.3/a' }) },
    'spec.files[0].source',
    NPM,
  ),
  model(
    'a package without path',
    { 'spec.files': file({ source: 'npm:@scope/pkg@1.2.3' }) },
    'spec.files[0].source',
    NPM,
  ),
  model('no licence', { 'spec.license': undefined }, 'spec.license', 'is missing', 'On what terms'),
  model(
    'non-commercial and unacknowledged',
    { 'spec.license.commercialUse': false },
    'spec.license',
    'write acknowledgementRequired: true',
  ),
  model('an unknown precision', { 'spec.precision': 'float16' }, 'spec.precision', 'fp32, fp16'),
  model(
    'a cut-out model without pipeline',
    { 'spec.pipeline': undefined },
    'spec',
    'write pipeline with size, mean, std',
  ),
  model('one mean for all', { 'spec.pipeline.mean': [0.5] }, 'spec.pipeline.mean', 'write 3 items'),
  model('a division by zero', { 'spec.pipeline.std': [1, 0, 1] }, 'spec.pipeline.std[1]', 'above 0'),
  model(
    'numbers as text',
    { 'spec.pipeline.mean': ['0.5', '0.5', '0.5'] },
    'spec.pipeline.mean[0]',
    'must be a number, not "0.5"',
  ),
  model(
    'another activation',
    { 'spec.pipeline.activation': 'softmax' },
    'spec.pipeline.activation',
    'none, sigmoid',
  ),
  model(
    'a size as one number',
    { 'spec.pipeline.size': 1024 },
    'spec.pipeline.size',
    'a block of fields, not 1024',
  ),
];
