/** Words of the product that stand in sentences by themselves. In English they are their own names. */
export const chineseWords: Readonly<Record<string, string>> = {
  day: '每日',
  month: '每月',
  tenant: '租户',
  project: '项目',
  user: '用户',
  service: '服务',
  requests: '次请求',
  pixels: '像素',
  steps: '步',
  computeMs: '毫秒计算时间',
};

/** Why a service cannot be called, as the snapshot and the gateway say it. */
export const chineseReasons: Readonly<Record<string, string>> = {
  'No instance of it is running.': '没有正在运行的实例。',
  'Nothing answers for it yet.': '尚无实例提供该服务。',
};

/** Why `decide` refuses, by the rule that settled it. */
export const chineseRules: Readonly<Record<string, string>> = {
  'tenant-isolation': '该资源属于其他租户。',
  'tenant-unknown': '该租户不存在。',
  'key-scope-addresses': '当前地址不在此 API 密钥允许使用的地址范围内。',
  'key-scope-actions': '此 API 密钥不能用于该操作。',
  'key-scope-services': '此 API 密钥只能用于部分服务，不包括当前资源。',
  'tenant-addresses': '当前地址不在该租户允许访问的地址范围内。',
  'tenant-time-windows': '当前时间不在该租户允许访问的时段内。',
  'tenant-second-factor': '该租户要求登录时完成双重验证。',
  'tenant-key-age': '此 API 密钥的使用时间已超过该租户允许的期限。',
  'service-addresses': '当前地址不在该服务允许访问的地址范围内。',
  'service-time-windows': '当前时间不在该服务允许访问的时段内。',
  'service-second-factor': '该服务只能在完成双重验证后使用，而 API 密钥只是单一因素。',
  'service-key-age': '此 API 密钥的使用时间已超过该服务允许的期限。',
  'service-minimum-role': '您的角色低于该服务要求的最低角色。',
  'risk-second-factor': '当前访问情况与此账号的往常使用不同，因此需要双重验证。',
  'default-deny': '您的角色不包含此操作，也没有其他授权允许此操作。',
};
