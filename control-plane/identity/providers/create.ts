import type { IdentityProviderConfig } from './config.ts';
import { createDingtalkProvider } from './dingtalk.ts';
import { createFeishuProvider } from './feishu.ts';
import { createLdapProvider } from './ldap.ts';
import { createOidcProvider } from './oidc.ts';
import type { IdentityProvider, ProviderSurroundings } from './provider.ts';

/** The providers that the configuration names. Nothing is asked of them yet: one that is away stops nobody else. */
export function createProviders(
  configs: readonly IdentityProviderConfig[],
  surroundings: ProviderSurroundings,
): ReadonlyMap<string, IdentityProvider> {
  return new Map(configs.map((config) => [config.name, create(config, surroundings)]));
}

function create(config: IdentityProviderConfig, surroundings: ProviderSurroundings): IdentityProvider {
  switch (config.type) {
    case 'oidc':
      return createOidcProvider(config, surroundings);
    case 'dingtalk':
      return createDingtalkProvider(config, surroundings);
    case 'feishu':
      return createFeishuProvider(config, surroundings);
    case 'ldap':
      return createLdapProvider(config, surroundings);
  }
}
