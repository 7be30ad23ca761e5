type Words = readonly [en: string, zh: string];

/** A class of vulnerabilities, where it ends here, and the test of it. `docs/security.md` is made of this. */
export interface Class {
  name: Words;
  harm: Words;
  /** Files, from the root of the repository. */
  stoppedIn: readonly string[];
  /** Below `test/security`. */
  test: string;
}

const gateway = (name: string): string => `control-plane/gateway/${name}.ts`;

export const classes: readonly Class[] = [
  {
    name: ['Truncated cache key', '缓存键截断'],
    harm: [
      'A forged token that begins like a real one gets its identity.',
      '伪造令牌只要开头与真实令牌相同，即可获得其身份。',
    ],
    stoppedIn: [gateway('tokens')],
    test: 'key-truncation.test.ts',
  },
  {
    name: ['Host confusion', 'Host 混淆'],
    harm: ['A crafted Host makes a protected path look public.', '构造的 Host 使受保护路径被当作公开路径。'],
    stoppedIn: [gateway('edge')],
    test: 'host-confusion.test.ts',
  },
  {
    name: ['Header spoofing', '请求头伪造'],
    harm: [
      'An identity header with underscores, or without separators, reaches the service as ours.',
      '带下划线或去掉分隔符的身份请求头，被服务当作网关所设。',
    ],
    stoppedIn: [gateway('headers')],
    test: 'running/header-spoofing.test.ts',
  },
  {
    name: ['Forwarded address', '转发地址伪造'],
    harm: [
      'A stranger passes for the intranet by X-Forwarded-For.',
      '外部请求借 X-Forwarded-For 冒充内网地址。',
    ],
    stoppedIn: [gateway('client-address')],
    test: 'forwarded-for.test.ts',
  },
  {
    name: ['Path tricks, fragments', '路径与片段欺骗'],
    harm: [
      'The service reads another path than the one that was decided on.',
      '服务解析出的路径与授权时判断的路径不同。',
    ],
    stoppedIn: [gateway('target')],
    test: 'path-tricks.test.ts',
  },
  {
    name: ['Algorithm confusion', '算法混淆'],
    harm: [
      'A token is signed with the public key, or not at all, and is believed.',
      '以公钥签名或未签名的令牌被采信。',
    ],
    stoppedIn: [gateway('tokens')],
    test: 'alg-confusion.test.ts',
  },
  {
    name: ['Replay', '重放'],
    harm: [
      'A captured request is sent again, or its signature is used on another path.',
      '截获的请求被再次发送，或其签名被用于其他路径。',
    ],
    stoppedIn: [gateway('signatures'), 'control-plane/identity/signing/nonces.ts'],
    test: 'replay.test.ts',
  },
  {
    name: ['Quota race', '配额竞争'],
    harm: ['Requests at once spend more than there is.', '并发请求的消耗超出配额。'],
    stoppedIn: ['control-plane/quota/ledger.ts'],
    test: 'running/quota-toctou.test.ts',
  },
  {
    name: ['Lost update', '更新丢失'],
    harm: [
      'Saving a profile undoes a lock or a charge that came between.',
      '保存资料时撤销了其间发生的锁定或扣减。',
    ],
    stoppedIn: ['control-plane/identity/accounts/store.ts'],
    test: 'running/lost-update.test.ts',
  },
  {
    name: ['Cache across tenants', '跨租户缓存'],
    harm: ["One tenant gets another's answer.", '一个租户得到另一个租户的结果。'],
    stoppedIn: [gateway('basic')],
    test: 'cross-tenant-cache.test.ts',
  },
  {
    name: ['Timing', '计时侧信道'],
    harm: [
      'How long a refusal takes tells which keys, accounts or lengths there are.',
      '拒绝所用的时间泄露哪些密钥、账号或长度存在。',
    ],
    stoppedIn: [gateway('signatures'), 'control-plane/identity/accounts/password.ts'],
    test: 'timing.test.ts',
  },
  {
    name: ['Session fixation', '会话固定'],
    harm: [
      "A session that an attacker has planted becomes the victim's.",
      '攻击者预先植入的会话变成受害者的会话。',
    ],
    stoppedIn: ['control-plane/api/sessions.ts'],
    test: 'running/session-fixation.test.ts',
  },
  {
    name: ['Session not ended', '会话未失效'],
    harm: ['A stolen session goes on after the password was changed.', '修改密码之后，被盗会话仍然有效。'],
    stoppedIn: [gateway('authenticate')],
    test: 'session-not-ended.test.ts',
  },
  {
    name: ['Request desync', '请求走私'],
    harm: [
      'A header beyond the bound frames the body, which the service takes for a request of its own.',
      '超出数量上限的请求头决定了请求体边界，服务将请求体当作另一个请求。',
    ],
    stoppedIn: [gateway('edge'), gateway('server')],
    test: 'running/request-desync.test.ts',
  },
  {
    name: ['SQL injection', 'SQL 注入'],
    harm: ['A key or a name that is SQL finds an account.', '含 SQL 的密钥或用户名查到账号。'],
    stoppedIn: ['control-plane/identity/applications/tokens.ts', 'control-plane/identity/accounts/store.ts'],
    test: 'running/sql-injection.test.ts',
  },
  {
    name: ['Privilege when creating', '创建时越权'],
    harm: [
      'What is made may do more than its maker, or belongs to another tenant.',
      '创建的对象权限超过创建者，或属于其他租户。',
    ],
    stoppedIn: ['control-plane/access/grant.ts', 'control-plane/api/applications.ts'],
    test: 'running/create-privilege.test.ts',
  },
  {
    name: ['Pass-through', '放行未知状态'],
    harm: ['What nobody understands is served as anonymous.', '无法识别的凭据被当作匿名用户放行。'],
    stoppedIn: [gateway('credentials'), gateway('authenticate')],
    test: 'pass-through.test.ts',
  },
  {
    name: ['SSRF', '服务端请求伪造'],
    harm: [
      'A token or a request target chooses whom the gateway connects to.',
      '令牌或请求目标决定网关连接到哪里。',
    ],
    stoppedIn: [gateway('tokens'), gateway('target')],
    test: 'ssrf.test.ts',
  },
  {
    name: ['Account by mail address', '按邮箱关联账号'],
    harm: [
      'Whoever shows a mail address gets the account that has it.',
      '出示某个邮箱地址的人得到该邮箱对应的账号。',
    ],
    stoppedIn: ['control-plane/identity/link-id.ts', gateway('tokens')],
    test: 'account-linking.test.ts',
  },
];

/** The table of the document in one of its languages. */
export function tableOf(language: 'en' | 'zh'): string {
  const word = ([en, zh]: Words): string => (language === 'en' ? en : zh);
  const link = (path: string): string => `[${path.split('/').at(-1) ?? ''}](../${path})`;
  const head: Words[] = [
    ['Class', '类别'],
    ['What it would do', '后果'],
    ['Stopped in', '在何处拦截'],
    ['Test', '测试'],
  ];
  const rows = classes.map(({ name, harm, stoppedIn, test }) => [
    word(name),
    word(harm),
    stoppedIn.map(link).join(language === 'en' ? ', ' : '、'),
    link(`test/security/${test}`),
  ]);
  return [head.map(word), head.map(() => '-'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
