import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

const configMap = z.looseObject({
  kind: z.literal('ConfigMap'),
  metadata: z.looseObject({ name: z.string() }),
  data: z.looseObject({ 'config.json': z.string() }),
});

/** By ConfigMap, what its program takes. Programs are ES modules: they are loaded as Node itself loads them. */
async function schemas(): Promise<Readonly<Record<string, z.ZodType>>> {
  const [{ gatewayConfig }, { apiConfig }, { modelStoreConfig }, { keysConfig }, { operatorConfig }] =
    await Promise.all([
      import('../../control-plane/gateway/config.ts'),
      import('../../control-plane/api/config.ts'),
      import('../../control-plane/model-store/config.ts'),
      import('../../control-plane/keys/config.ts'),
      import('../../operator/config.ts'),
    ]);
  return {
    'imageplane-gateway': gatewayConfig,
    'imageplane-api': apiConfig,
    'imageplane-model-store': modelStoreConfig,
    'imageplane-keys': keysConfig,
    'imageplane-operator': operatorConfig,
  };
}

/** Has every rendered configuration read by its program's own schema. @returns problems, one sentence each. */
export async function checkConfigurations(rendered: string): Promise<string[]> {
  const known = await schemas();
  const problems: string[] = [];
  const missing = new Set(Object.keys(known));
  for (const document of parseAllDocuments(rendered)) {
    const found = configMap.safeParse(document.toJS());
    const schema = found.success ? known[found.data.metadata.name] : undefined;
    if (!found.success || schema === undefined) continue;
    const { name } = found.data.metadata;
    missing.delete(name);
    const parsed = schema.safeParse(JSON.parse(found.data.data['config.json']));
    if (!parsed.success)
      problems.push(`the configuration of ${name} is refused: ${z.prettifyError(parsed.error)}`);
  }
  return [...problems, ...[...missing].map((name) => `there is no configuration of ${name}`)];
}
