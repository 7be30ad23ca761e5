// Import directions of docs/decisions: what each folder may import besides itself. Tests may import anything.
const folders = {
  foundation: ['contracts'],
  contracts: [],
  crds: ['contracts', 'foundation'],
  'inference-server': ['contracts', 'foundation'],
  'operator/runtime': ['foundation'],
  operator: ['contracts', 'crds', 'foundation'],
  'control-plane/access': ['contracts', 'foundation', 'control-plane/database'],
  'control-plane/limits': ['contracts', 'foundation'],
  'control-plane/identity': ['contracts', 'foundation', 'control-plane/database'],
  'control-plane/audit': ['contracts', 'foundation', 'control-plane/database'],
  'control-plane/quota': ['contracts', 'foundation', 'control-plane/database'],
  'control-plane/database': ['contracts', 'foundation'],
  'control-plane/model-store': ['contracts', 'crds', 'foundation', 'operator/runtime'],
  'control-plane/keys': ['foundation', 'operator/runtime'],
  'control-plane/gateway': [
    'contracts',
    'foundation',
    'control-plane/(access|limits|quota|audit|identity|database)',
  ],
  'control-plane/api': [
    'contracts',
    'foundation',
    'crds',
    'control-plane/(access|limits|quota|audit|identity|database)',
    // The house's Kubernetes client.
    'operator/runtime',
  ],
};

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { pathNot: '(\\.test\\.ts$|^test/)' },
      to: { path: '(\\.test\\.ts$|^test/)' },
    },
    ...Object.entries(folders).map(([folder, allowed]) => ({
      name: `${folder}-imports`,
      severity: 'error',
      from: { path: `^${folder}/`, pathNot: '\\.test\\.ts$' },
      to: {
        path: '^[^/]+/',
        dependencyTypesNot: ['core'],
        pathNot: [`^(${[folder, ...allowed].join('|')})/`, '^node_modules/'],
      },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
